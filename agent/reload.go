package agent

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/virt-netboot/virt-netboot/internal/config"
)

// takeHangups receives SIGHUP, which asks for a reload, until stop is called. It must
// come before the service manager may send SIGHUP, which otherwise ends the process.
func takeHangups() (hangups <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

// reloads is the job that reads the configuration's file again at SIGHUP and when it
// changes.
func (a *Agent) reloads(hangups <-chan os.Signal) job {
	return endless(func(ctx context.Context) { a.config.Run(ctx, hangups) })
}

// apply tells the components of a new configuration, which a.config.Current returns
// already. The nwfilters come first, since what the rules make of a domain depends on
// them.
func (a *Agent) apply(c config.Config) {
	setLevel(a.log, c.Log.Level)
	a.filters.askAgain()
	a.files.configChanged()
	a.domains.PolicyChanged()
}
