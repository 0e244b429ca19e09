package reconcile

import (
	"context"
	"time"
)

// pass is one look at all domains.
type pass struct {
	began time.Time
	left  map[string]bool
}

// passes has all domains looked at, again and again.
func (r *Reconciler) passes(ctx context.Context, conn Connection, q *queue) error {
	for {
		if err := r.all(ctx, conn, q); err != nil {
			return err
		}
		select {
		case <-r.Clock.After(Interval):
		case <-r.changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// all queues the domains that there are, and those that there were.
func (r *Reconciler) all(ctx context.Context, conn Connection, q *queue) error {
	began := r.Clock.Now()
	domains, err := conn.Domains(ctx)
	if err != nil {
		return err
	}
	uuids := make(map[string]bool, len(domains))
	for _, d := range domains {
		uuids[d.UUID] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for uuid, e := range r.domains {
		if e.seen {
			uuids[uuid] = true
		}
	}
	r.pass = pass{began: began, left: uuids}
	r.tick("")
	for uuid := range uuids {
		q.add(uuid, false)
	}
	return nil
}

// tick takes a domain off the current pass, and notes when that was the last.
func (r *Reconciler) tick(uuid string) {
	if r.pass.left == nil {
		return
	}
	delete(r.pass.left, uuid)
	if len(r.pass.left) > 0 {
		return
	}
	r.status.LastReconcile = r.Clock.Now()
	r.status.Duration = r.status.LastReconcile.Sub(r.pass.began)
	r.pass = pass{}
}
