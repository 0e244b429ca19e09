package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/virt-netboot/virt-netboot/internal/hookreport"
	"github.com/virt-netboot/virt-netboot/internal/version"
)

// run runs the parts until the context ends or one of them cannot go on.
func (p *parts) run(ctx context.Context) error {
	hangups := make(chan os.Signal, 1) // from before the service manager may send one
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	jobs, err := p.jobs(ctx)
	if err != nil {
		return err
	}
	jobs = append(jobs, p.serveControl, p.tellStopping,
		p.onceReady(p.watchdog),
		p.onceReady(func(ctx context.Context) error { p.config.Run(ctx, hangups); return nil }))
	group, ctx := errgroup.WithContext(ctx)
	for _, do := range jobs {
		group.Go(func() error { return do(ctx) })
	}
	return group.Wait()
}

// job is something that the agent does until the context ends.
type job func(ctx context.Context) error

// jobs are those of the parts that were asked for, ready to begin.
func (p *parts) jobs(ctx context.Context) ([]job, error) {
	var jobs []job
	if p.only.has(partGateway) || p.only.has(partReconcile) {
		jobs = append(jobs, p.knowFilters(ctx))
	}
	if p.only.has(partGateway) {
		if err := p.listen(); err != nil {
			return nil, err
		}
		jobs = append(jobs, p.serveGateway)
	} else {
		p.tellReady("runs without the gateway: " + p.only.String())
	}
	if p.only.has(partReconcile) {
		jobs = append(jobs, p.keepDomains)
	}
	if p.only.has(partFiles) {
		jobs = append(jobs, p.files.run)
	}
	if p.only.has(partMetrics) {
		jobs = append(jobs, p.serveMetrics, p.countHookCalls)
	}
	return jobs, nil
}

// knowFilters keeps what is known of libvirt's nwfilters. It is known before the
// first client is served, if libvirt answers in time.
func (p *parts) knowFilters(ctx context.Context) job {
	atStart, cancel := context.WithTimeout(ctx, filtersAtStart)
	defer cancel()
	wait := p.filters.ask(atStart)
	return func(ctx context.Context) error {
		p.filters.run(ctx, wait)
		return nil
	}
}

func (p *parts) keepDomains(ctx context.Context) error {
	p.domains.Run(ctx)
	return nil
}

func (p *parts) serveMetrics(ctx context.Context) error {
	serveMetrics(ctx, p.config.Current().Metrics.Listen, p.registry, p.log)
	return nil
}

func (p *parts) countHookCalls(ctx context.Context) error {
	p.hook.run(ctx, filepath.Join(p.dir, filepath.Base(hookreport.Socket)))
	return nil
}

// tellReady tells the log and the service manager, once.
func (p *parts) tellReady(what string) {
	p.log.Infof("virt-netboot %s %s", version.Version, what)
	p.manager.ready()
	close(p.ready)
}

// onceReady has a job wait until the service manager knows that the agent is ready:
// nobody tells it anything before.
func (p *parts) onceReady(do job) job {
	return func(ctx context.Context) error {
		select {
		case <-p.ready:
			return do(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// watchdog tells the service manager that the agent does its work.
func (p *parts) watchdog(ctx context.Context) error {
	alive := p.answers
	if p.only.has(partGateway) {
		alive = p.gateway.Check
	}
	return p.manager.watchdog(ctx, alive)
}

// tellStopping tells the service manager of the end.
func (p *parts) tellStopping(ctx context.Context) error {
	<-ctx.Done()
	p.manager.stopping()
	return nil
}
