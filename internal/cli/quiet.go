package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// restartNotice is what an operator has to know before libvirt's daemon is restarted.
const restartNotice = `libvirt's daemon is restarted: guests run on, a migration or a backup under way is cancelled.
Nova gets no answer meanwhile, and an instance that it builds fails. To keep Nova away:
openstack compute service set --disable HOST nova-compute
`

// quietWithin is how long a restart of libvirt's daemon waits for what it would break.
const quietWithin = 2 * time.Minute

// buildWithin is how long Nova waits for Neutron to plug an instance's ports, with the
// guest started and paused (vif_plugging_timeout). One that is paused for longer is so
// for another reason.
const buildWithin = 5 * time.Minute

var errNoLibvirt = errors.New("libvirt cannot be asked")

func noWaitFlag(cmd *cobra.Command, noWait *bool) {
	cmd.Flags().BoolVar(noWait, "no-wait", false, "restart libvirt's daemon whatever is under way")
}

// guests are libvirt's, for awaitQuiet.
type guests interface {
	Domains(context.Context) ([]libvirt.Domain, error)
	Activity(context.Context, libvirt.Domain) (libvirt.Activity, error)
	ReadListed(context.Context, libvirt.Domain) (libvirt.State, error)
}

// awaitQuiet waits until libvirt does nothing that a restart of its daemon would break, and
// says what it waits for. It returns errNoLibvirt where libvirt does not answer.
func awaitQuiet(ctx context.Context, out io.Writer, c config.Config) error {
	conn, err := connect(ctx, c)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoLibvirt, err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, quietWithin)
	defer cancel()
	return waiter{conn, out, time.Now, time.Second}.wait(ctx)
}

type waiter struct {
	guests guests
	out    io.Writer
	now    func() time.Time
	every  time.Duration
}

func (w waiter) wait(ctx context.Context) error {
	said := ""
	for {
		busy, err := w.underWay(ctx)
		switch {
		case ctx.Err() != nil:
			return &failure{error: fmt.Errorf("nothing is changed: %s; say --no-wait to go on whatever is under way", cmp.Or(said, "libvirt did not say in time what is under way"))}
		case err != nil:
			return fmt.Errorf("%w: %w", errNoLibvirt, err)
		case busy == "":
			return nil
		case busy != said:
			said = busy
			if err := write(w.out, []byte(line("waiting: %s", busy))); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(w.every):
		}
	}
}

// underWay names the guests that a restart would disturb, "" for none.
func (w waiter) underWay(ctx context.Context) (string, error) {
	all, err := w.guests.Domains(ctx)
	if err != nil {
		return "", err
	}
	var busy []string
	for _, d := range all {
		if !d.Active {
			continue
		}
		what, err := w.guests.Activity(ctx, d)
		if err == nil && what == libvirt.ActivityPaused {
			what, err = w.build(ctx, d)
		}
		switch {
		case libvirt.IsNotFound(err):
		case err != nil:
			return "", err
		case what != libvirt.ActivityNone:
			busy = append(busy, fmt.Sprintf("domain %s has %s under way", d.Name, what))
		}
	}
	const most = 3
	if more := len(busy) - most; more > 0 {
		busy = append(busy[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(busy, "; "), nil
}

// build tells an instance that Nova builds from one that is paused.
func (w waiter) build(ctx context.Context, d libvirt.Domain) (libvirt.Activity, error) {
	s, err := w.guests.ReadListed(ctx, d)
	if err != nil {
		return libvirt.ActivityNone, err
	}
	doc, err := domainxml.Parse(s.Live)
	if err != nil || !fresh(doc.Facts().Domain.Nova.Created, w.now()) {
		return libvirt.ActivityNone, nil
	}
	return "its build or start by Nova", nil
}

// fresh reports whether Nova has written a document so lately that it may still wait for
// the ports.
func fresh(created string, now time.Time) bool {
	at, err := time.Parse(time.DateTime, created)
	age := now.Sub(at)
	return err == nil && age > -buildWithin && age < buildWithin
}
