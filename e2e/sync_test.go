package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/agent/reconcile/decide"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// dial is a connection of the test's own to the lab's libvirtd.
func dial(t *testing.T) *libvirt.Conn {
	t.Helper()
	conn, err := libvirt.Dial(t.Context(), lab.LibvirtSocket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func defaultRewriter() domainxml.Rewriter {
	return domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}
}

// meddler is libvirt with another program that acts after the n-th read, or after
// the n-th definition where n is negative.
type meddler struct {
	*libvirt.Conn
	reads, defines int
	meddle         map[int]func()
}

func (m *meddler) Read(ctx context.Context, domain string) (libvirt.State, error) {
	s, err := m.Conn.Read(ctx, domain)
	m.reads++
	if f := m.meddle[m.reads]; f != nil {
		f()
	}
	return s, err
}

func (m *meddler) Define(ctx context.Context, d libvirt.Domain, document []byte) error {
	err := m.Conn.Define(ctx, d, document)
	m.defines++
	if f := m.meddle[-m.defines]; f != nil {
		f()
	}
	return err
}

func enforce(lv reconcile.Libvirt) reconcile.Syncer {
	return reconcile.Syncer{
		Libvirt: lv,
		Decide:  func(s libvirt.State) decide.Decision { return decide.Enforce(defaultRewriter(), s, false) },
	}
}

// TestDefinitionMoved has another program edit a domain after the reconciler has read
// it, or right after it has changed it: both changes must be there at the end.
func TestDefinitionMoved(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-raw-filterref")
		edited := writeFile(t, "edited.xml", strings.Replace(g.Document, "<vcpu>1</vcpu>", "<vcpu>3</vcpu>", 1))
		for name, when := range map[string]int{"after the first reading": 1, "after the definition": -1} {
			t.Run(name, func(t *testing.T) {
				virsh(t, l, "define", g.File)
				m := &meddler{Conn: dial(t), meddle: map[int]func(){when: func() { virsh(t, l, "define", edited) }}}
				if _, err := enforce(m).Sync(t.Context(), g.Name); err != nil {
					t.Fatal(err)
				}
				if err := inSync(t, l, g.Name); err != nil {
					t.Error(err)
				}
				if got := dumpxml(t, l, g.Name, "--inactive").VCPU.Value; got != 3 {
					t.Errorf("the definition has %d vcpus, and the other program has set 3", got)
				}
			})
		}
	})
}

// TestDefinitionGone has another program make a domain transient after the reconciler
// has read it: it must stay transient.
func TestDefinitionGone(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-raw-filterref")
		virsh(t, l, "define", g.File)
		virsh(t, l, "start", "--paused", g.Name)
		m := &meddler{Conn: dial(t), meddle: map[int]func(){1: func() { virsh(t, l, "undefine", g.Name) }}}
		if _, err := enforce(m).Sync(t.Context(), g.Name); err != nil {
			t.Fatal(err)
		}
		if info := virsh(t, l, "dominfo", g.Name); !strings.Contains(info, "Persistent:     no") {
			t.Errorf("the transient domain has become persistent:\n%s", info)
		}
		if err := noFilter(t, l, g.Name); err != nil {
			t.Error(err)
		}
	})
}

// TestNeverStill has another program edit the domain after each read: the reconciler
// gives up for now.
func TestNeverStill(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-raw-filterref")
		virsh(t, l, "define", g.File)
		m := &meddler{Conn: dial(t), meddle: map[int]func(){}}
		for i := 1; i <= 100; i++ {
			edited := writeFile(t, fmt.Sprintf("%d.xml", i), strings.Replace(g.Document, "<vcpu>1</vcpu>", fmt.Sprintf("<vcpu>%d</vcpu>", 1+i), 1))
			m.meddle[i] = func() { virsh(t, l, "define", edited) }
		}
		if _, err := enforce(m).Sync(t.Context(), g.Name); err == nil || !strings.Contains(err.Error(), "all the time") {
			t.Errorf("the error is %v", err)
		}
		if m.reads > 50 {
			t.Errorf("read %d times", m.reads)
		}
	})
}

// running is a reconciler of the test's own process.
type running struct {
	*reconcile.Reconciler
	later atomic.Int64 // nanoseconds that its clock is ahead
	log   bytes.Buffer
}

// reconciler runs until the test ends.
func reconciler(t *testing.T, o reconcile.Options) *running {
	t.Helper()
	r := &running{}
	o.Log = logrus.New()
	o.Log.SetOutput(&r.log)
	o.Clock = reconcile.Clock{
		Now:   func() time.Time { return time.Now().Add(time.Duration(r.later.Load())) },
		After: time.After,
	}
	if o.Connect == nil {
		o.Connect = func(ctx context.Context) (reconcile.Connection, error) { return libvirt.Dial(ctx, lab.LibvirtSocket) }
	}
	if o.Rewriter == nil {
		o.Rewriter = defaultRewriter
	}
	r.Reconciler = reconcile.New(o)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
		if t.Failed() {
			t.Logf("the reconciler's log:\n%s", &r.log)
		}
	})
	await(t, func() error {
		if r.Status().LastReconcile.IsZero() {
			return errors.New("no reconcile yet")
		}
		return nil
	})
	return r
}

// of is what the reconciler knows of a domain.
func (r *running) of(t *testing.T, domain string) reconcile.DomainStatus {
	t.Helper()
	for _, d := range r.Status().Domains {
		if d.Name == domain {
			return d
		}
	}
	return reconcile.DomainStatus{}
}

// TestBackingOff changes a domain back again and again.
func TestBackingOff(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-raw-filterref")
		r := reconciler(t, reconcile.Options{})
		virsh(t, l, "define", g.File)
		await(t, func() error { return inSync(t, l, g.Name) })
		for i := range 3 {
			virsh(t, l, "define", g.File)
			if i == 2 {
				break
			}
			await(t, func() error { return inSync(t, l, g.Name) })
		}
		await(t, func() error {
			if until := r.of(t, g.Name).BackingOffUntil; time.Until(until) < 50*time.Minute {
				return fmt.Errorf("backing off until %v", until)
			}
			return nil
		})
		if err := inSync(t, l, g.Name); err == nil {
			t.Errorf("the domain was changed once more")
		}
		if wanted := r.of(t, g.Name).Wanted; len(wanted) != 2 {
			t.Errorf("the status says that the rules want %q", wanted)
		}
		// An event does not change that; when the other domain is in sync, this one has
		// been inspected.
		other := novaGuest(t, l, "two-nics-two-filters")
		virsh(t, l, "define", g.File)
		virsh(t, l, "define", other.File)
		await(t, func() error { return inSync(t, l, other.Name) })
		if err := inSync(t, l, g.Name); err == nil {
			t.Errorf("it changed the domain at an event, although it is backing off")
		}
		r.later.Store(int64(61 * time.Minute))
		virsh(t, l, "define", g.File)
		await(t, func() error { return inSync(t, l, g.Name) })
	})
}

// TestTwoReconcilers run beside each other while domains come in.
func TestTwoReconcilers(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-raw-filterref")
		both := []*running{reconciler(t, reconcile.Options{}), reconciler(t, reconcile.Options{})}
		for range 10 {
			virsh(t, l, "define", g.File)
			await(t, func() error { return inSync(t, l, g.Name) })
			virsh(t, l, "start", "--paused", g.Name)
			virsh(t, l, "destroy", g.Name)
			virsh(t, l, "undefine", g.Name)
			for _, r := range both {
				await(t, func() error {
					if d := r.of(t, g.Name); d.Name != "" {
						return fmt.Errorf("%s is gone and still in the status", d.Name)
					}
					return nil
				})
			}
		}
		virsh(t, l, "define", g.File)
		await(t, func() error { return inSync(t, l, g.Name) })
		for i, r := range both {
			await(t, func() error {
				d := r.of(t, g.Name)
				if d.Error != "" || !d.BackingOffUntil.IsZero() || len(d.Wanted) > 0 || d.Name == "" {
					return fmt.Errorf("reconciler %d: %+v", i, d)
				}
				return nil
			})
		}
	})
}

// TestObserve changes nothing, and says what it would.
func TestObserve(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-raw-filterref")
		virsh(t, l, "define", g.File)
		virsh(t, l, "start", "--paused", g.Name)
		before := virsh(t, l, "dumpxml", g.Name) + virsh(t, l, "dumpxml", "--inactive", g.Name)
		r := reconciler(t, reconcile.Options{Observe: func() bool { return true }})
		if wanted := r.of(t, g.Name).Wanted; len(wanted) != 2 {
			t.Errorf("the status says that the rules want %q", wanted)
		}
		if after := virsh(t, l, "dumpxml", g.Name) + virsh(t, l, "dumpxml", "--inactive", g.Name); before != after {
			t.Errorf("the domain was\n%s\nand is\n%s", before, after)
		}
	})
}

// TestPassword redefines a domain with a password on its screen.
func TestPassword(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		const password = "passwd='S3cret'"
		plain := novaGuest(t, l, "image-raw-filterref")
		document := strings.Replace(plain.Document, "<graphics type=\"vnc\"", "<graphics type=\"vnc\" "+password, 1)
		g, err := l.Prepare(t.Context(), document)
		if err != nil {
			t.Fatal(err)
		}
		virsh(t, l, "define", g.File)
		virsh(t, l, "start", "--paused", g.Name)
		reconciler(t, reconcile.Options{})
		if err := errors.Join(inSync(t, l, g.Name), noFilter(t, l, g.Name)); err != nil {
			t.Fatal(err)
		}
		for _, flags := range [][]string{{"--security-info"}, {"--security-info", "--inactive"}} {
			if xml := virsh(t, l, append([]string{"dumpxml", g.Name}, flags...)...); !strings.Contains(xml, password) {
				t.Errorf("dumpxml %v has no %s any more:\n%s", flags, password, xml)
			}
		}
	})
}
