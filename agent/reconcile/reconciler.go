// Package reconcile keeps libvirt's domains as the policy wants them, whatever
// door they came in by:
//
//	r := reconcile.New(reconcile.Options{
//		Connect:  func(ctx context.Context) (reconcile.Connection, error) { return libvirt.Dial(ctx, path) },
//		Rewriter: func() domainxml.Rewriter { return rewriter },
//		Log:      log,
//	})
//	r.Run(ctx)
//
// It looks at every domain when it has connected, when the policy has changed and
// every five minutes, and at one domain when libvirt has an event of it. What it
// sees decides, not what happened: an event that is lost costs time only.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

const (
	// Interval is how often all domains are looked at without an event.
	Interval = 5 * time.Minute
	// workers look at domains at once; libvirt serves five calls of a client at
	// once (max_client_requests in libvirtd.conf).
	workers = 4
)

// Connection is a connection to libvirt: a *libvirt.Conn.
type Connection interface {
	Libvirt
	Domains(ctx context.Context) ([]libvirt.Domain, error)
	Events(ctx context.Context) (<-chan libvirt.Event, error)
	Version() string
	Closed() <-chan struct{}
	Close()
}

// Options are what a Reconciler works with.
type Options struct {
	// Connect connects to libvirt.
	Connect func(ctx context.Context) (Connection, error)
	// Rewriter returns the policy in force.
	Rewriter func() domainxml.Rewriter
	// Observe reports whether nothing is to be changed; nil means false.
	Observe func() bool
	Log     *logrus.Logger
	// Clock is the time; the zero Clock is the real one.
	Clock Clock
}

// Clock tells the time and waits.
type Clock struct {
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
}

// Reconciler is made by New.
type Reconciler struct {
	Options
	changed chan struct{} // holds a token when the policy has changed

	mu      sync.Mutex
	status  Status // without the domains
	domains map[string]*entry
	pass    pass
}

// entry is one domain, by its UUID.
type entry struct {
	seen     bool // it was there when it was last looked at
	decision Decision
	err      error
	fight    fight
	reverted bool
	once     domainxml.Once
	skip     time.Time // not looked at up to then
	said     string    // what the log said last
}

// New returns a reconciler that does nothing before it is Run.
func New(o Options) *Reconciler {
	if o.Observe == nil {
		o.Observe = func() bool { return false }
	}
	if o.Clock.Now == nil {
		o.Clock = Clock{Now: time.Now, After: time.After}
	}
	return &Reconciler{Options: o, changed: make(chan struct{}, 1), domains: make(map[string]*entry)}
}

// PolicyChanged has all domains looked at, those included that are left alone
// because somebody changed them back.
func (r *Reconciler) PolicyChanged() {
	r.mu.Lock()
	for _, e := range r.domains {
		e.fight, e.skip = fight{}, time.Time{}
	}
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Reverted reports whether a domain was marked as reverted when it was last seen,
// even where it has been undefined since: Nova undefines a domain and defines it
// anew for a hard reboot.
func (r *Reconciler) Reverted(uuid string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.domains[strings.ToLower(uuid)]
	return e != nil && e.reverted
}

// Once is as Reverted for the mark of virt-netboot once.
func (r *Reconciler) Once(uuid string) domainxml.Once {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.domains[strings.ToLower(uuid)]; e != nil {
		return e.once
	}
	return domainxml.OnceNone
}

// serve looks at domains until the connection or the context ends.
func (r *Reconciler) serve(ctx context.Context, conn Connection) error {
	group, ctx := errgroup.WithContext(ctx)
	// Events first: what happens during the first look at all is not missed.
	events, err := conn.Events(ctx)
	if err != nil {
		return err
	}
	q := newQueue()
	group.Go(func() error {
		for e := range events {
			q.add(e.UUID, true)
		}
		return nil
	})
	group.Go(func() error {
		select {
		case <-conn.Closed():
			return libvirt.ErrClosed
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error { return r.passes(ctx, conn, q) })
	for range workers {
		group.Go(func() error { return r.work(ctx, conn, q) })
	}
	return group.Wait()
}

// work looks at what is queued until the connection or the context ends.
func (r *Reconciler) work(ctx context.Context, conn Connection, q *queue) error {
	for {
		uuid, urgent, ok := q.take(ctx)
		if !ok {
			return nil
		}
		err := r.visit(ctx, conn, uuid, urgent)
		q.done(uuid)
		if err != nil {
			return fmt.Errorf("domain %s: %w", uuid, err)
		}
	}
}

// visit looks at one domain. Its error is that of the connection; the domain's own
// is kept for Status.
func (r *Reconciler) visit(ctx context.Context, conn Connection, uuid string, urgent bool) error {
	if r.skips(uuid) {
		return nil
	}
	settler := Settler{
		Libvirt: conn,
		Decide:  func(s libvirt.State) Decision { return Enforce(r.Rewriter(), s, r.Reverted(uuid)) },
		May:     func(Decision) bool { return r.may(uuid) },
		Changed: func(d Decision) { r.changedDomain(uuid, d) },
	}
	if !urgent {
		settler.Listed = r.listed(uuid)
	}
	d, err := settler.Settle(ctx, uuid)
	switch {
	case errors.Is(err, libvirt.ErrNoAnswer):
		r.unanswered(uuid)
		return err
	case errors.Is(err, libvirt.ErrClosed):
		return err
	case libvirt.IsNotFound(err):
		r.gone(uuid)
	default:
		r.looked(uuid, d, err)
	}
	return nil
}

// listed is a domain as the current pass has listed it, nil where it has not.
func (r *Reconciler) listed(uuid string) *libvirt.Domain {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d, ok := r.pass.listed[uuid]; ok {
		return &d
	}
	return nil
}
