package agent

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/virt-netboot/virt-netboot/internal/config"
)

// takeHangups has SIGHUP ask for a reload, until stop. Without it SIGHUP ends the
// process, so it comes before the service manager may send one.
func takeHangups() (hangups <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

// reloads is the job that has package reload read the configuration's file at SIGHUP
// and when it changes.
func (a *Agent) reloads(hangups <-chan os.Signal) job {
	return endless(func(ctx context.Context) { a.config.Run(ctx, hangups) })
}

// apply has the agent work by another configuration. What only reads
// a.config.Current has it already. libvirt is asked for nwfilters first, since what
// the rules make of a domain depends on which there are.
func (a *Agent) apply(c config.Config) {
	setLevel(a.log, c.Log.Level)
	a.filters.askAgain()
	a.files.configChanged()
	a.domains.PolicyChanged()
}
