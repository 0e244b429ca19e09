// Package agent is the node agent: the gateway in front of libvirt's socket, the
// reconciler of the domains that libvirt has, the watcher of Nova's files, and the
// metrics.
//
//	log := agent.NewLogger(c.Log, os.Stderr)
//	err := agent.New(path, c, log, agent.Options{Dir: status.Dir, StateDir: existing.Dir}).Run(ctx)
package agent

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/agent/gateway"
	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/agent/reload"
	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// Agent is the node agent. Its components are made first, and then run.
type Agent struct {
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
	only     Components
	dir      string
	stateDir string
	started  time.Time
	ready    chan struct{} // closed once the service manager has been told that the agent is ready
}

// Options are the command line's.
type Options struct {
	// Only are the components that run; empty means all of them.
	Only Components
	// Dir is the directory of the sockets that the hook and virt-netboot status use.
	Dir string
	// StateDir is the directory of what the agent has to know after a reboot.
	StateDir string
}

// New makes the agent for the configuration c, which was read from path.
func New(path string, c config.Config, log *logrus.Logger, o Options) *Agent {
	a := &Agent{
		only:     o.Only,
		dir:      o.Dir,
		stateDir: o.StateDir,
		log:      log,
		manager:  manager{log},
		config:   reload.New(path, c, log),
		registry: newRegistry(),
		storage:  newStorage(),
		started:  time.Now(),
		ready:    make(chan struct{}),
	}
	a.config.Apply, a.config.Around = a.apply, a.manager.reloading
	a.filters = newFilters(a.config, log)
	a.domains = a.newReconciler(c)
	a.filters.changed = a.domains.PolicyChanged
	a.gateway = a.newGateway(c)
	a.files = &files{config: a.config, alone: slices.Equal(a.only.running(), Components{status.ComponentFiles}), log: log}
	a.hook = newHookCalls(a.registry, a.gateway.OriginalSent, log)
	registerConfig(a.registry, a.config)
	registerBypasses(a.registry, a.dir)
	a.registry.MustRegister(newDomainCollector(a.domains.Status), newFileCollector(a.filesStatus))
	return a
}
