package main

import (
	"context"

	"github.com/virt-netboot/virt-netboot/agent/gateway"
	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/bootsector"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/initrd"
)

// newReconciler returns the part of the agent that keeps libvirt's domains in
// line.
func (p *parts) newReconciler(c config.Config) *reconcile.Reconciler {
	r := reconcile.New(reconcile.Options{
		Connect:  func(ctx context.Context) (reconcile.Connection, error) { return libvirt.Dial(ctx, upstream(c)) },
		Rewriter: func() domainxml.Rewriter { return newRewriter(p.config.Current(), p.disks) },
		Observe:  func() bool { return p.config.Current().Mode == config.ModeObserve },
		Log:      p.log,
	})
	p.config.OnChange(func(config.Config) { r.PolicyChanged() })
	return r
}

func newRewriter(c config.Config, disks *bootsector.Reader) domainxml.Rewriter {
	return domainxml.Rewriter{Policy: c.Policy(), ReadInitrd: initrd.ReadHead, ReadDisk: disks.Read}
}

// upstream is the path of libvirt's own socket.
func upstream(c config.Config) string {
	if c.Gateway.Upstream != "" {
		return c.Gateway.Upstream
	}
	return gateway.DefaultUpstream()
}
