package agent

import (
	"context"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/virt-netboot/virt-netboot/internal/hookreport"
	"github.com/virt-netboot/virt-netboot/internal/version"
)

// Run runs the components until the context ends or one of them cannot go on.
func (a *Agent) Run(ctx context.Context) error {
	hangups, stop := takeHangups()
	defer stop()
	jobs, err := a.jobs(ctx)
	if err != nil {
		return err
	}
	jobs = append(jobs, a.serveControl, a.tellStopping, a.onceReady(a.watchdog), a.onceReady(a.reloads(hangups)))
	group, ctx := errgroup.WithContext(ctx)
	for _, do := range jobs {
		group.Go(func() error { return do(ctx) })
	}
	return group.Wait()
}

// job is something that the agent does until the context ends.
type job func(ctx context.Context) error

// jobs are those of the components that were asked for, ready to begin.
func (a *Agent) jobs(ctx context.Context) ([]job, error) {
	var jobs []job
	if a.only.has(componentGateway) || a.only.has(componentReconcile) {
		jobs = append(jobs, a.knowFilters(ctx))
	}
	if a.only.has(componentGateway) {
		if err := a.listen(); err != nil {
			return nil, err
		}
		jobs = append(jobs, a.serveGateway)
	} else {
		a.tellReady("runs without the gateway: " + a.only.String())
	}
	if a.only.has(componentReconcile) {
		jobs = append(jobs, a.keepDomains)
	}
	if a.only.has(componentFiles) {
		jobs = append(jobs, a.files.run)
	}
	if a.only.has(componentMetrics) {
		jobs = append(jobs, a.serveMetrics, a.countHookCalls)
	}
	return jobs, nil
}

// knowFilters keeps what is known of libvirt's nwfilters. It is known before the
// first client is served, if libvirt answers in time.
func (a *Agent) knowFilters(ctx context.Context) job {
	atStart, cancel := context.WithTimeout(ctx, filtersAtStart)
	defer cancel()
	wait := a.filters.ask(atStart)
	return func(ctx context.Context) error {
		a.filters.run(ctx, wait)
		return nil
	}
}

func (a *Agent) keepDomains(ctx context.Context) error {
	a.domains.Run(ctx)
	return nil
}

func (a *Agent) serveMetrics(ctx context.Context) error {
	serveMetrics(ctx, a.config.Current().Metrics.Listen, a.registry, a.log)
	return nil
}

func (a *Agent) countHookCalls(ctx context.Context) error {
	a.hook.run(ctx, filepath.Join(a.dir, filepath.Base(hookreport.Socket)))
	return nil
}

// tellReady tells the log and the service manager, once.
func (a *Agent) tellReady(what string) {
	a.log.Infof("virt-netboot %s %s", version.Version, what)
	a.manager.ready()
	close(a.ready)
}

// onceReady has a job wait until the service manager knows that the agent is ready:
// nobody tells it anything before.
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

// watchdog tells the service manager that the agent does its work.
func (a *Agent) watchdog(ctx context.Context) error {
	alive := a.answers
	if a.only.has(componentGateway) {
		alive = a.gateway.Check
	}
	return a.manager.watchdog(ctx, alive)
}

// tellStopping tells the service manager of the end.
func (a *Agent) tellStopping(ctx context.Context) error {
	<-ctx.Done()
	a.manager.stopping()
	return nil
}
