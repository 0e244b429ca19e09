package agent

import (
	"context"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/agent/reload"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/existing"
)

// newReconciler returns the component that brings libvirt's domains in sync.
func (a *Agent) newReconciler(c config.Config) *reconcile.Reconciler {
	return reconcile.New(reconcile.Options{
		Connect: func(ctx context.Context) (reconcile.Connection, error) {
			return libvirt.Dial(ctx, libvirt.Upstream(c.Gateway.Upstream))
		},
		Rewriter: a.rewriter,
		Observe:  func() bool { return a.config.Current().Mode == config.ModeObserve },
		Existing: keeping{existing.New(a.stateDir), a.config},
		Log:      a.log,
	})
}

// keeping is the list of the domains that were there, with the configuration's existing:
// keep or sync.
type keeping struct {
	*existing.List
	config *reload.Configuration
}

// Keeps implements reconcile.Existing.
func (k keeping) Keeps(uuid string) bool {
	return k.config.Current().Existing == config.ExistingKeep && k.Has(uuid)
}
