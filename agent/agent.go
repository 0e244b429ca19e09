package main

import (
	"context"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent/gateway"
	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/agent/reload"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

func newAgent() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "agent [--config FILE] [--only PART,...] [--run-dir DIR]",
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

It also looks at the domains that libvirt has, at its start, when libvirt says
that one has changed, and every five minutes. One that came in past the agent is
redefined, and filters are taken off the interfaces of running guests; their
boot order waits for the next start. No guest is started or stopped. A domain
that somebody changes back three times within a minute is left alone for an
hour; one that virt-netboot revert has marked, until virt-netboot apply.

Nova's files that the configuration names are patched, and patched again when
something puts the stock ones back.

Metrics for Prometheus are at http://HOST:PORT/metrics, where metrics.listen is
not empty. An address that is taken is logged; the agent runs on without them.

The configuration is read again when its file changes, and at SIGHUP. One with a
mistake is refused, the log says where it is, and the one before stays. Rules,
mode, files, gateway.on_refusal and log.level take effect at once, also on
connections that are open; the rest waits for a restart, and the log says so.

The log goes to the journal with its fields where standard error does, as in a
systemd service: journalctl -t virt-netboot. Elsewhere it goes to standard
error. The service manager is told when the agent is ready, reloads and stops,
and with WatchdogSec= that clients are still served (sd_notify, Type=notify).

With --only it does part of this: gateway is the socket, reconcile the domains
that libvirt has, files those of Nova's, metrics the address for Prometheus. So
that each has the rights it needs and no more, virt-netboot.service runs all but
the files, and virt-netboot-files.service the files. One that does only the
files ends when it can no longer write to their directory: in a unit of systemd
that is so after the directory was made anew, and lasts until the restart.

Exit status:
  0  ended by a signal
  1  the socket is taken or cannot be made, or it failed later; for the files
     alone, their directory has become read-only
  2  the configuration cannot be read`,
		Args:                  usage(cobra.NoArgs),
		DisableFlagsInUseLine: true,
	}
	source := configFlag(cmd)
	only, dir := onlyFlag(cmd), runDirFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := source.load()
		if err != nil {
			return err
		}
		log := newLogger(c.Log, cmd.ErrOrStderr())
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		context.AfterFunc(ctx, stop)
		p := newParts(source.path, c, log)
		p.only, p.dir = *only, *dir
		if err := p.run(ctx); err != nil {
			log.WithError(err).Error("the agent stops")
			return &failure{error: err, logged: true}
		}
		return nil
	}
	return cmd
}

// parts are what the agent consists of. Each is made first, and then all of them
// run.
type parts struct {
	log      *logrus.Logger
	manager  manager
	config   *reload.Configuration
	registry *prometheus.Registry
	gateway  *gateway.Server
	domains  *reconcile.Reconciler
	files    *files
	filters  *filters
	hook     *hookCalls
	storage  storage
	only     selection // which of them run
	dir      string    // where the sockets are that the hook and virt-netboot status use
	started  time.Time
	ready    chan struct{} // closed once the service manager knows that the agent is ready
}

// newParts makes the parts for the configuration c, which was read from path.
func newParts(path string, c config.Config, log *logrus.Logger) *parts {
	p := &parts{
		log:      log,
		manager:  manager{log},
		config:   reload.New(path, c, log),
		registry: newRegistry(),
		storage:  newStorage(),
		started:  time.Now(),
		ready:    make(chan struct{}),
	}
	p.config.Around(p.manager.reloading)
	p.config.OnChange(func(now config.Config) { setLevel(log, now.Log.Level) })
	p.filters = newFilters(p.config, log)
	p.domains = p.newReconciler(c)
	p.filters.changed = p.domains.PolicyChanged
	p.gateway = p.newGateway(c)
	p.files = newFiles(p.config, func() bool { return slices.Equal(p.only.parts(), selection{partFiles}) }, log)
	p.hook = newHookCalls(p.registry, p.gateway.Resent, log)
	registerConfig(p.registry, p.config)
	p.registry.MustRegister(newDomainCollector(p.domains.Status), newFileCollector(p.keptFiles))
	return p
}
