package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/unixsocket"
	"github.com/virt-netboot/virt-netboot/internal/version"
)

// control is the path of the control socket, which virt-netboot status asks.
func (a *Agent) control() string {
	if a.only.has(status.ComponentGateway) || a.only.has(status.ComponentReconcile) {
		return filepath.Join(a.dir, status.Socket)
	}
	return filepath.Join(a.dir, status.FilesSocket)
}

// answers returns an error if the agent does not answer on its control socket, which
// takes every component's lock. It is nil where there is no control socket.
func (a *Agent) answers(ctx context.Context) error {
	_, err := status.Get(ctx, a.control())
	if errors.Is(err, status.ErrNotRunning) {
		return nil
	}
	return err
}

// serveControl serves the control socket until the context ends.
func (a *Agent) serveControl(ctx context.Context) {
	l, err := unixsocket.Listen(a.control())
	if err == nil {
		err = status.Serve(ctx, l, a.status)
	}
	if err != nil {
		a.log.WithError(err).Error("virt-netboot status gets no answer")
	}
}

// status collects the status of all components.
func (a *Agent) status() status.Status {
	s := status.Status{
		Version:    version.Version,
		PID:        os.Getpid(),
		Started:    a.started,
		Components: a.only.running(),
		Config:     a.config.Status(),
		Files:      a.files.status(),
		Gateway:    status.Gateway{Upstream: a.gateway.Upstream(), Stats: a.gateway.Metrics.Stats()},
		Status:     a.domains.Status(),
	}
	for _, l := range a.gateway.Listeners {
		s.Gateway.Listen = append(s.Gateway.Listen, l.Addr().String())
	}
	return s
}
