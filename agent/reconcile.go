package agent

import (
	"context"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// newReconciler returns the component that brings libvirt's domains in sync.
func (a *Agent) newReconciler(c config.Config) *reconcile.Reconciler {
	return reconcile.New(reconcile.Options{
		Connect: func(ctx context.Context) (reconcile.Connection, error) {
			return libvirt.Dial(ctx, libvirt.Upstream(c.Gateway.Upstream))
		},
		Rewriter: a.rewriter,
		Observe:  func() bool { return a.config.Current().Mode == config.ModeObserve },
		Log:      a.log,
	})
}
