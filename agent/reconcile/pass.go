package reconcile

import (
	"context"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
)

// pass is one inspection of all domains.
type pass struct {
	began  time.Time
	left   map[string]bool           // not inspected yet, by UUID
	listed map[string]libvirt.Domain // as libvirt listed them when it began
}

// passes inspects all domains, again and again.
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

// all queues the domains that libvirt lists, and those that it listed before.
func (r *Reconciler) all(ctx context.Context, conn Connection, q *queue) error {
	began, observe := r.Clock.Now(), r.Observe()
	domains, err := conn.Domains(ctx)
	if err != nil {
		return err
	}
	r.existing(observe, domains)
	uuids, listed := make(map[string]bool, len(domains)), make(map[string]libvirt.Domain, len(domains))
	for _, d := range domains {
		uuids[d.UUID], listed[d.UUID] = true, d
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for uuid, e := range r.domains {
		if e.seen {
			uuids[uuid] = true
		}
	}
	r.pass = pass{began: began, left: uuids, listed: listed}
	r.tick("")
	for uuid := range uuids {
		q.add(uuid, false)
	}
	return nil
}

// existing tells which domains are there.
func (r *Reconciler) existing(observe bool, domains []libvirt.Domain) {
	if r.Existing == nil {
		return
	}
	uuids := make([]string, len(domains))
	for i, d := range domains {
		uuids[i] = d.UUID
	}
	if err := r.Existing.Listed(observe, uuids); err != nil {
		r.Log.WithError(err).Error("existing: keep")
	}
}

// tick takes a domain off the current pass. After the last one the pass has ended.
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
