package main

import (
	"context"
	"fmt"

	"github.com/virt-netboot/virt-netboot/agent/gateway"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// newGateway returns the part of the agent that stands in front of libvirt's socket.
func (p *parts) newGateway(c config.Config) *gateway.Server {
	return &gateway.Server{
		Upstream: func() string { return upstream(c) },
		Rewriter: func() domainxml.Rewriter {
			r := p.rewriter()
			r.Reverted, r.Once = p.domains.Reverted, p.domains.Once
			return r
		},
		RefusalIsFinal: func() bool { return p.config.Current().Gateway.OnRefusal == config.RefusalError },
		Log:            p.log,
		Metrics:        gateway.NewMetrics(p.registry),
	}
}

// listen takes the gateway's sockets.
func (p *parts) listen() (err error) {
	p.gateway.Listeners, err = gateway.Listen(p.config.Current().Gateway.Listen)
	return err
}

// serveGateway serves clients until the context ends.
func (p *parts) serveGateway(ctx context.Context) error {
	p.gateway.Ready = func() {
		p.tellReady(fmt.Sprintf("listens on %s in front of %s", p.gateway.Listeners[0].Addr(), p.gateway.Upstream()))
	}
	if err := p.gateway.Serve(ctx); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	return nil
}
