// Package reconcile keeps libvirt's domains in sync with the policy, whether or not
// they came through the gateway:
//
//	r := reconcile.New(reconcile.Options{
//		Connect:  func(ctx context.Context) (reconcile.Connection, error) { return libvirt.Dial(ctx, path) },
//		Rewriter: func() domainxml.Rewriter { return rewriter },
//		Log:      log,
//	})
//	r.Run(ctx)
//
// It inspects every domain when it has connected, when the policy has changed and
// every five minutes, and one domain when libvirt sends an event about it. The
// domain's state decides and not the event, so a lost event costs only time.
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
	"github.com/virt-netboot/virt-netboot/agent/reconcile/decide"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

const (
	// Interval is how often all domains are inspected without an event.
	Interval = 5 * time.Minute
	// workers is how many domains are inspected at once. libvirt serves five calls of
	// a client at once (max_client_requests in libvirtd.conf).
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

// Options are what a Reconciler needs.
type Options struct {
	// Connect connects to libvirt.
	Connect func(ctx context.Context) (Connection, error)
	// Rewriter returns the policy in force.
	Rewriter func() domainxml.Rewriter
	// Observe reports whether domains are inspected and not changed. It may be nil,
	// which means false.
	Observe func() bool
	// Existing are the domains that were there when the mode became enforce. It may be
	// nil, which means none.
	Existing Existing
	Log      *logrus.Logger
	// Clock is for tests; the zero Clock is the real one.
	Clock Clock
}

// Existing knows the domains that were there when the mode became enforce.
type Existing interface {
	// Listed is called with the UUIDs of all domains of libvirt, and with the mode that
	// was in force before they were listed.
	Listed(observe bool, uuids []string) error
	// Keeps reports whether a domain is left as it is until it has an undo record.
	Keeps(uuid string) bool
}

// Clock tells the time and waits.
type Clock struct {
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
}

// Reconciler keeps domains in sync. New makes one.
type Reconciler struct {
	Options
	changed chan struct{} // holds a token when the policy has changed

	mu      sync.Mutex
	queue   *queue // nil while there is no connection
	status  Status // without the domains
	domains map[string]*entry
	pass    pass
}

// entry is one domain, by its UUID.
type entry struct {
	seen       bool // it was there when it was last inspected
	decision   decide.Decision
	err        error
	backingOff backingOff
	reverted   bool
	once       domainxml.Once
	skipUntil  time.Time // not inspected before then
	logged     string    // what was logged last
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

// PolicyChanged has all domains inspected, and changed again where the reconciler was
// backing off.
func (r *Reconciler) PolicyChanged() {
	r.mu.Lock()
	for _, e := range r.domains {
		e.backingOff, e.skipUntil = backingOff{}, time.Time{}
	}
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Sync inspects a domain whose devices a client has changed, and brings it in sync. It
// returns when that is done, when the context ends, or at once where there is no
// connection to libvirt.
func (r *Reconciler) Sync(ctx context.Context, uuid string) {
	r.mu.Lock()
	q := r.queue
	if e := r.domains[uuid]; e != nil {
		e.backingOff.changed = false // the client has not changed back what the reconciler did
	}
	r.mu.Unlock()
	if q == nil {
		return
	}
	select {
	case <-q.inspect(uuid):
	case <-ctx.Done():
	}
}

// Reverted reports whether a domain was marked as reverted when it was last inspected,
// even where it has been undefined since: for a hard reboot, Nova undefines a domain
// and defines it again.
func (r *Reconciler) Reverted(uuid string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.domains[strings.ToLower(uuid)]
	return e != nil && e.reverted
}

// Once is the mark of virt-netboot once, remembered as for Reverted.
func (r *Reconciler) Once(uuid string) domainxml.Once {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.domains[strings.ToLower(uuid)]; e != nil {
		return e.once
	}
	return domainxml.OnceNone
}

// serve inspects domains until the connection or the context ends.
func (r *Reconciler) serve(ctx context.Context, conn Connection) error {
	group, ctx := errgroup.WithContext(ctx)
	// Events first, so that what happens during the first pass is not missed.
	events, err := conn.Events(ctx)
	if err != nil {
		return err
	}
	q := newQueue()
	r.setQueue(q)
	defer r.setQueue(nil)
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

func (r *Reconciler) setQueue(q *queue) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = q
}

// work takes domains from the queue until the connection or the context ends.
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

// visit brings one domain in sync. Its error is the connection's; Status shows the
// domain's own.
func (r *Reconciler) visit(ctx context.Context, conn Connection, uuid string, urgent bool) error {
	if r.skips(uuid) {
		return nil
	}
	syncer := Syncer{
		Libvirt: conn,
		Decide:  func(s libvirt.State) decide.Decision { return r.decide(uuid, s) },
		May:     func(decide.Decision) bool { return r.may(uuid) },
		Changed: func(d decide.Decision) { r.changedDomain(uuid, d) },
	}
	if !urgent {
		syncer.Listed = r.listed(uuid)
	}
	d, err := syncer.Sync(ctx, uuid)
	switch {
	case errors.Is(err, libvirt.ErrNoAnswer):
		r.unanswered(uuid)
		return err
	case errors.Is(err, libvirt.ErrClosed):
		return err
	case libvirt.IsNotFound(err):
		r.gone(uuid)
	default:
		r.inspected(uuid, d, err)
	}
	return nil
}

// decide decides about a domain.
func (r *Reconciler) decide(uuid string, s libvirt.State) decide.Decision {
	if r.Existing != nil && r.Existing.Keeps(uuid) {
		return decide.Keep(r.Rewriter(), s, r.Reverted(uuid))
	}
	return decide.Enforce(r.Rewriter(), s, r.Reverted(uuid))
}

// listed is a domain as the current pass has listed it; nil otherwise.
func (r *Reconciler) listed(uuid string) *libvirt.Domain {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d, ok := r.pass.listed[uuid]; ok {
		return &d
	}
	return nil
}
