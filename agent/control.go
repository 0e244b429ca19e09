package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	nodestatus "github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/unixsocket"
	"github.com/virt-netboot/virt-netboot/internal/version"
)

// runDirFlag adds --run-dir.
func runDirFlag(cmd *cobra.Command) *string {
	dir := cmd.Flags().String("run-dir", nodestatus.Dir, "the `DIR` of the sockets that the hook and virt-netboot status use")
	completeFlag(cmd, "run-dir", completeDirs)
	return dir
}

// control is the path of the socket that virt-netboot status asks.
func (p *parts) control() string {
	if p.only.has(partGateway) || p.only.has(partReconcile) {
		return filepath.Join(p.dir, nodestatus.Socket)
	}
	return filepath.Join(p.dir, nodestatus.FilesSocket)
}

// answers reports whether the agent answers virt-netboot status, which takes every
// part's lock. It is nil where there is no socket to ask.
func (p *parts) answers(ctx context.Context) error {
	_, err := nodestatus.Get(ctx, p.control())
	if errors.Is(err, nodestatus.ErrNotRunning) {
		return nil
	}
	return err
}

// serveControl answers virt-netboot status until the context ends. Without it the
// agent runs on.
func (p *parts) serveControl(ctx context.Context) error {
	l, err := unixsocket.Listen(p.control())
	if err == nil {
		err = nodestatus.Serve(ctx, l, p.status)
	}
	if err != nil {
		p.log.WithError(err).Error("virt-netboot status gets no answer")
	}
	return nil
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
