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
	r := newRewriter(p.config.Current(), p.storage)
	r.NWFilter = p.filters.get
	return r
}

func newRewriter(c config.Config, s storage) domainxml.Rewriter {
	return domainxml.Rewriter{Policy: c.Policy(), ReadInitrd: s.initrds.ReadHead, ReadDisk: s.disks.Read}
}

// storage reads what guests boot from, which may be on a file server that is gone:
// who asks for the same waits for one answer.
type storage struct {
	disks   *bootsector.Reader
	initrds *initrd.Reader
}

func newStorage() storage { return storage{bootsector.New(), initrd.New()} }

// completeRewriter is a rewriter for a command that asks libvirt, once, for the
// nwfilters that it has.
func completeRewriter(ctx context.Context, c config.Config, observe bool) (domainxml.Rewriter, error) {
	there, err := findFilters(ctx, c, observe)
	if err != nil {
		return domainxml.Rewriter{}, err
	}
	r := newRewriter(c, newStorage())
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
