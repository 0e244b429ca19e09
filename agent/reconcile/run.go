package reconcile

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/sirupsen/logrus"
)

// Run keeps the domains in sync until the context ends. While libvirt is down it
// tries to connect again and again.
func (r *Reconciler) Run(ctx context.Context) {
	rng := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	failed := 0
	for {
		all, err := r.connected(ctx)
		if ctx.Err() != nil {
			return
		}
		if all {
			failed = 0
		}
		wait := reconnectWait(failed, rng)
		failed++
		r.lost(err, wait)
		select {
		case <-r.Clock.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// lost records that there is no connection, and logs it once.
func (r *Reconciler) lost(err error, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	level := logrus.WarnLevel
	if r.status.Libvirt.Error == err.Error() {
		level = logrus.DebugLevel
	}
	now := LibvirtStatus{Since: r.status.Libvirt.Since, Error: err.Error()}
	if r.status.Libvirt.Connected || now.Since.IsZero() {
		now.Since = r.Clock.Now()
	}
	r.status.Libvirt = now
	r.Log.WithError(err).Logf(level, "no connection to libvirt: domains are not kept in sync; the next attempt is in %v", wait.Round(time.Millisecond))
}

// connected works for as long as one connection lasts. It reports whether it could
// inspect all domains in that time.
func (r *Reconciler) connected(ctx context.Context) (all bool, err error) {
	conn, err := r.Connect(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	began := r.Clock.Now()
	r.mu.Lock()
	r.status.Libvirt = LibvirtStatus{Connected: true, Since: began, Version: conn.Version()}
	r.mu.Unlock()
	r.Log.Infof("connected to libvirt %s", conn.Version())

	err = r.serve(ctx, conn)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status.LastReconcile.After(began), err
}
