package agent

import (
	"context"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/bootsector"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/initrd"
)

// newReconciler returns the part of the agent that keeps libvirt's domains in
// line.
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

// rewriter applies the rules in force.
func (a *Agent) rewriter() domainxml.Rewriter {
	return domainxml.Rewriter{
		Policy:     a.config.Current().Policy(),
		ReadInitrd: a.storage.initrds.ReadHead,
		ReadDisk:   a.storage.disks.Read,
		NWFilter:   a.filters.get,
	}
}

// storage reads what guests boot from, which may be on a file server that is gone:
// all who ask for the same wait for one answer.
type storage struct {
	disks   *bootsector.Reader
	initrds *initrd.Reader
}

func newStorage() storage { return storage{bootsector.New(), initrd.New()} }
