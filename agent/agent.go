package main

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/virt-netboot/virt-netboot/agent/gateway"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/initrd"
	"github.com/virt-netboot/virt-netboot/internal/version"
)

func newAgent() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "agent [--config FILE]",
		Short: "Run the node agent",
		Long: `Run the node agent, in the foreground, until SIGTERM or SIGINT. Calls under way
are then finished first; a second signal ends it at once.

The agent listens on gateway.listen, or on the sockets that systemd passes it,
in front of libvirt's own socket, gateway.upstream. Domains that are defined or
created there, and devices that are attached or updated there, are changed as
the rules want it; everything else passes as it is. libvirt sees each client's
own user and group, which takes CAP_SETUID and CAP_SETGID. A client needs only
another URI:

  virsh -c 'qemu+unix:///system?socket=/run/virt-netboot/libvirt-sock'

Metrics for Prometheus are at http://HOST:PORT/metrics, where metrics.listen is
not empty. An address that is taken is logged; the agent runs on without them.

The log goes to the journal with its fields where standard error does, as in a
systemd service: journalctl -t virt-netboot. Elsewhere it goes to standard
error. The service manager is told when the agent is ready and when it stops
(sd_notify, Type=notify).

Exit status:
  0  ended by a signal
  1  the socket is taken or cannot be made, or it failed later
  2  the configuration cannot be read`,
		Args:                  usage(cobra.NoArgs),
		DisableFlagsInUseLine: true,
	}
	source := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := source.load()
		if err != nil {
			return err
		}
		log, err := newLogger(c.Log, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		context.AfterFunc(ctx, stop)
		if err := runAgent(ctx, c, log); err != nil {
			log.WithError(err).Error("the agent stops")
			return &failure{error: err, logged: true}
		}
		return nil
	}
	return cmd
}

// runAgent runs the parts of the agent until the context ends or one of them
// cannot go on.
func runAgent(ctx context.Context, c config.Config, log *logrus.Logger) error {
	listeners, err := gateway.Listen(c.Gateway.Listen)
	if err != nil {
		return err
	}
	registry := newRegistry()
	server := newGateway(c, log, registry)
	server.Listeners = listeners

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(ctx); err != nil {
			return fmt.Errorf("gateway: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		serveMetrics(ctx, c.Metrics.Listen, registry, log)
		return nil
	})
	log.Infof("virt-netboot %s listens on %s in front of %s", version.Version, listeners[0].Addr(), server.Upstream())
	notify(log, daemon.SdNotifyReady)
	group.Go(func() error {
		<-ctx.Done()
		notify(log, daemon.SdNotifyStopping)
		return nil
	})
	return group.Wait()
}

func newGateway(c config.Config, log *logrus.Logger, registry prometheus.Registerer) *gateway.Server {
	rewriter := domainxml.Rewriter{Policy: c.Policy(), ReadInitrd: initrd.ReadHead}
	upstream := gateway.DefaultUpstream
	if c.Gateway.Upstream != "" {
		upstream = func() string { return c.Gateway.Upstream }
	}
	return &gateway.Server{
		Upstream: upstream,
		Rewriter: func() domainxml.Rewriter { return rewriter },
		Log:      log,
		Metrics:  gateway.NewMetrics(registry),
	}
}

// notify tells the service manager, where there is one.
func notify(log *logrus.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.WithError(err).Warnf("telling systemd %s", state)
	}
}
