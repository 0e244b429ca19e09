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
		Rewriter: p.rewriter,
		Observe:  func() bool { return p.config.Current().Mode == config.ModeObserve },
		Log:      p.log,
	})
	p.config.OnChange(func(config.Config) { r.PolicyChanged() })
	return r
}

// rewriter applies the rules in force.
func (p *parts) rewriter() domainxml.Rewriter {
	r := newRewriter(p.config.Current(), p.disks)
	r.NWFilter = p.filters.get
	return r
}

func newRewriter(c config.Config, disks *bootsector.Reader) domainxml.Rewriter {
	return domainxml.Rewriter{Policy: c.Policy(), ReadInitrd: initrd.ReadHead, ReadDisk: disks.Read}
}

// completeRewriter is a rewriter for a command that asks libvirt, once, for the
// nwfilters that it has.
func completeRewriter(ctx context.Context, c config.Config, observe bool) (domainxml.Rewriter, error) {
	there, err := findFilters(ctx, c, observe)
	if err != nil {
		return domainxml.Rewriter{}, err
	}
	r := newRewriter(c, bootsector.New())
	r.NWFilter = there.Get
	return r, nil
}

// upstream is the path of libvirt's own socket.
func upstream(c config.Config) string {
	if c.Gateway.Upstream != "" {
		return c.Gateway.Upstream
	}
	return gateway.DefaultUpstream()
}
