package agent

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/virt-netboot/virt-netboot/agent/gateway"
	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/version"
)

// Run runs the components until the context ends or one of them cannot go on.
func (a *Agent) Run(ctx context.Context) error {
	hangups, stop := takeHangups()
	defer stop()
	ctx, stop = onRestart(ctx)
	defer stop()
	jobs, err := a.jobs(ctx)
	if err != nil {
		return err
	}
	jobs = append(jobs, endless(a.serveControl), a.onceReady(a.watchdog), a.onceReady(a.reloads(hangups)), a.notifyStopping)
	group, ctx := errgroup.WithContext(ctx)
	for _, do := range jobs {
		group.Go(func() error { return do(ctx) })
	}
	return group.Wait()
}

// onRestart returns a context that SIGUSR2 ends because of a restart: systemd sends it
// for the restart of the service (RestartKillSignal=), and SIGTERM for its stop.
func onRestart(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	restarts := make(chan os.Signal, 1)
	signal.Notify(restarts, syscall.SIGUSR2)
	go func() {
		select {
		case <-restarts:
			cancel(gateway.ErrRestart)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(restarts)
		cancel(nil)
	}
}

// job runs until the context ends. Its error ends the agent.
type job func(ctx context.Context) error

// endless is a job without an error: the agent goes on when it ends.
func endless(do func(ctx context.Context)) job {
	return func(ctx context.Context) error {
		do(ctx)
		return nil
	}
}

// jobs are the jobs of the components that run.
func (a *Agent) jobs(ctx context.Context) ([]job, error) {
	var jobs []job
	if a.only.has(status.ComponentGateway) || a.only.has(status.ComponentReconcile) {
		jobs = append(jobs, a.watchFilters(ctx))
	}
	if a.only.has(status.ComponentGateway) {
		if err := a.listen(); err != nil {
			return nil, err
		}
		jobs = append(jobs, a.serveGateway)
	} else {
		a.notifyReady("runs without the gateway: " + a.only.String())
	}
	if a.only.has(status.ComponentReconcile) {
		jobs = append(jobs, endless(a.domains.Run))
	}
	if a.only.has(status.ComponentFiles) {
		jobs = append(jobs, a.files.run)
	}
	if a.only.has(status.ComponentMetrics) {
		jobs = append(jobs, endless(a.serveMetrics), endless(a.countHookCalls))
	}
	return jobs, nil
}

// notifyReady tells the log and the service manager that the agent is ready. It is
// called once.
func (a *Agent) notifyReady(what string) {
	a.log.Infof("virt-netboot %s %s", version.Version, what)
	a.manager.ready()
	close(a.ready)
}

// onceReady delays a job until the service manager has been told that the agent is
// ready, which must come first.
func (a *Agent) onceReady(do job) job {
	return func(ctx context.Context) error {
		select {
		case <-a.ready:
			return do(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// watchdog tells the service manager that the agent works.
func (a *Agent) watchdog(ctx context.Context) error {
	alive := a.answers
	if a.only.has(status.ComponentGateway) {
		alive = a.gateway.Check
	}
	return a.manager.watchdog(ctx, alive)
}

// notifyStopping tells the service manager when the agent stops.
func (a *Agent) notifyStopping(ctx context.Context) error {
	<-ctx.Done()
	a.manager.stopping()
	return nil
}
