package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
)

// guestsOf are libvirt's guests, whose activities change each time they are asked for.
type guestsOf struct {
	rounds []map[string]libvirt.Activity
	asked  int
	// created is when Nova has written a guest's document.
	created map[string]string
	err     error
}

func (g *guestsOf) Domains(context.Context) ([]libvirt.Domain, error) {
	g.asked++
	var all []libvirt.Domain
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		_, active := g.round()[name]
		all = append(all, libvirt.Domain{Name: name, Active: active})
	}
	return all, g.err
}

func (g *guestsOf) round() map[string]libvirt.Activity {
	return g.rounds[min(g.asked, len(g.rounds))-1]
}

func (g *guestsOf) Activity(_ context.Context, d libvirt.Domain) (libvirt.Activity, error) {
	what, active := g.round()[d.Name]
	if !active {
		return "", errors.New("it does not run")
	}
	return what, nil
}

func (g *guestsOf) ReadListed(_ context.Context, d libvirt.Domain) (libvirt.State, error) {
	return libvirt.State{Domain: d, Live: fmt.Appendf(nil, `<domain type='kvm'><name>%s</name><metadata>
  <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1"><nova:creationTime>%s</nova:creationTime></nova:instance>
</metadata></domain>`, d.Name, g.created[d.Name])}, nil
}

func (g *guestsOf) wait(ctx context.Context) (string, error) {
	var out bytes.Buffer
	now := func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("CET", 3600)) }
	err := waiter{g, &out, now, time.Millisecond}.wait(ctx)
	return out.String(), err
}

func TestAwaitQuiet(t *testing.T) {
	const none, paused, job = libvirt.ActivityNone, libvirt.ActivityPaused, libvirt.ActivityJob
	for name, c := range map[string]struct {
		guestsOf
		want string
	}{
		"nothing runs": {guestsOf{rounds: []map[string]libvirt.Activity{{}}}, ""},
		"a migration ends": {guestsOf{rounds: []map[string]libvirt.Activity{{"a": none, "b": job}, {"a": none, "b": job}, {"a": none}}},
			"waiting: domain b has a job of libvirt's, such as a migration or a backup under way\n"},
		"one after the other": {guestsOf{rounds: []map[string]libvirt.Activity{{"a": libvirt.ActivityStarting}, {"b": libvirt.ActivityArriving}, {}}},
			"waiting: domain a has its start under way\nwaiting: domain b has its arrival by a migration under way\n"},
		"Nova builds one": {guestsOf{rounds: []map[string]libvirt.Activity{{"a": paused}, {"a": none}}, created: map[string]string{"a": "2026-03-01 10:56:00"}},
			"waiting: domain a has its build or start by Nova under way\n"},
		"paused for longer":   {guestsOf{rounds: []map[string]libvirt.Activity{{"a": paused}}, created: map[string]string{"a": "2026-03-01 10:54:59"}}, ""},
		"paused, not Nova's":  {guestsOf{rounds: []map[string]libvirt.Activity{{"a": paused}}}, ""},
		"an odd time":         {guestsOf{rounds: []map[string]libvirt.Activity{{"a": paused}}, created: map[string]string{"a": "now"}}, ""},
		"more than are named": {guestsOf{rounds: []map[string]libvirt.Activity{{"a": job, "b": job, "c": job, "d": job, "e": job}, {}}}, "and 2 more"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			got, err := c.wait(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want && (name != "more than are named" || !strings.Contains(got, c.want)) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestAwaitQuietEnds: it does not wait without end, and changes nothing then.
func TestAwaitQuietEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	g := guestsOf{rounds: []map[string]libvirt.Activity{{"a": libvirt.ActivityJob}}}
	if _, err := g.wait(ctx); err == nil || !strings.Contains(err.Error(), "domain a has") || !strings.Contains(err.Error(), "--no-wait") || exitStatus(err) != exitFailure {
		t.Errorf("error %v", err)
	}
	g = guestsOf{rounds: []map[string]libvirt.Activity{{}}, err: errors.New("no answer")}
	if _, err := g.wait(t.Context()); !errors.Is(err, errNoLibvirt) {
		t.Errorf("error %v", err)
	}
}
