package agent

import (
	"context"
	"fmt"

	"github.com/virt-netboot/virt-netboot/agent/fdstore"
	"github.com/virt-netboot/virt-netboot/agent/gateway"
	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// newGateway returns the component in front of libvirt's socket.
func (a *Agent) newGateway(c config.Config) *gateway.Server {
	return &gateway.Server{
		Upstream: func() string { return libvirt.Upstream(c.Gateway.Upstream) },
		Rewriter: func() domainxml.Rewriter {
			r := a.rewriter()
			r.Reverted, r.Once = a.domains.Reverted, a.domains.Once
			return r
		},
		Sync:           a.domains.Sync,
		ReadDisk:       a.storage.disks.ReadContext,
		RefusalIsFinal: func() bool { return a.config.Current().Gateway.OnRefusal == config.RefusalError },
		PolkitPerCall:  func() (bool, error) { return libvirt.PolkitPerCall("/etc/libvirt") },
		Log:            a.log,
		Metrics:        gateway.NewMetrics(a.registry),
	}
}

// listen opens the gateway's sockets.
func (a *Agent) listen() (err error) {
	passed, store := fdstore.Open("clients")
	a.gateway.Store = store
	a.gateway.Listeners, err = gateway.Listen(a.config.Current().Gateway.Listen, passed...)
	return err
}

// serveGateway serves clients until the context ends.
func (a *Agent) serveGateway(ctx context.Context) error {
	a.gateway.Ready = func() {
		a.notifyReady(fmt.Sprintf("listens on %s in front of %s", a.gateway.Listeners[0].Addr(), a.gateway.Upstream()))
	}
	if err := a.gateway.Serve(ctx); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	return nil
}
