package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	nodestatus "github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/unixsocket"
	"github.com/virt-netboot/virt-netboot/internal/version"
)

// runDirFlag adds --run-dir.
func runDirFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("run-dir", nodestatus.Dir, "the `DIR` of the sockets that the hook and virt-netboot status use")
}

// serveControl answers virt-netboot status until the context ends. Without it the
// agent runs on.
func (p *parts) serveControl(ctx context.Context) {
	name := nodestatus.Socket
	if !p.only.has(partGateway) && !p.only.has(partReconcile) {
		name = nodestatus.FilesSocket
	}
	l, err := unixsocket.Listen(filepath.Join(p.dir, name))
	if err == nil {
		err = nodestatus.Serve(ctx, l, p.status)
	}
	if err != nil {
		p.log.WithError(err).Error("virt-netboot status gets no answer")
	}
}

// status is what all parts know.
func (p *parts) status() nodestatus.Status {
	s := nodestatus.Status{
		Version: version.Version,
		PID:     os.Getpid(),
		Started: p.started,
		Parts:   p.only.parts(),
		Config:  p.config.Status(),
		Files:   p.files.status(),
		Gateway: nodestatus.Gateway{Upstream: p.gateway.Upstream(), Stats: p.gateway.Metrics.Stats()},
		Status:  p.domains.Status(),
	}
	for _, l := range p.gateway.Listeners {
		s.Gateway.Listen = append(s.Gateway.Listen, l.Addr().String())
	}
	return s
}
