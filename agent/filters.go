package agent

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/nwfilter"
	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/agent/reload"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

const (
	// filtersAtStart is how long the agent's start waits for libvirt's answer.
	filtersAtStart = 3 * time.Second
	// filtersRetry is when libvirt is asked again after it has not answered, or lacks
	// an nwfilter that may be defined at any time.
	filtersRetry = 10 * time.Second
)

// filters has what libvirt last said of the nwfilters that the rules in force name.
type filters struct {
	config  *reload.Configuration
	log     *logrus.Logger
	changed func()        // called when libvirt's answer has changed
	again   chan struct{} // holds a token when libvirt is to be asked at once
	logged  string        // the last error in the log: the next one is often the same

	mu    sync.Mutex
	there nwfilter.Set
}

func newFilters(c *reload.Configuration, log *logrus.Logger) *filters {
	return &filters{config: c, log: log, again: make(chan struct{}, 1)}
}

// askAgain has run ask libvirt at once for the nwfilters that the configuration in
// force names.
func (f *filters) askAgain() {
	select {
	case f.again <- struct{}{}:
	default: // it is about to already
	}
}

// get returns what libvirt said of the nwfilter when it was last asked.
func (f *filters) get(name string) domainxml.NWFilter {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.there.Get(name)
}

// run asks libvirt again and again until the context ends, the first time after wait.
func (f *filters) run(ctx context.Context, wait time.Duration) {
	for {
		select {
		case <-time.After(wait):
		case <-f.again:
		case <-ctx.Done():
			return
		}
		wait = f.ask(ctx)
	}
}

// ask asks libvirt, and returns how long to wait before asking again.
func (f *filters) ask(ctx context.Context) time.Duration {
	c := f.config.Current()
	there, err := findFilters(ctx, c)
	if ctx.Err() != nil {
		return filtersRetry
	}
	if err != nil {
		f.unanswered(err)
		return filtersRetry
	}
	f.logged = ""
	f.mu.Lock()
	same := reflect.DeepEqual(f.there, there)
	f.there = there
	f.mu.Unlock()
	if !same {
		f.changed()
	}
	for _, filter := range there {
		if filter.State == domainxml.NWFilterMissing {
			return filtersRetry
		}
	}
	return reconcile.Interval
}

// unanswered logs once why libvirt does not say which nwfilters it has. The node may
// have no virtnwfilterd.
func (f *filters) unanswered(err error) {
	level := logrus.WarnLevel
	if f.logged == err.Error() {
		level = logrus.DebugLevel
	}
	f.logged = err.Error()
	f.log.WithError(err).Logf(level, "libvirt does not say which nwfilters it has; the next attempt is in %v", filtersRetry)
}

// watchFilters asks libvirt for the nwfilters once, so that they are known before the
// first client if libvirt answers in time. The job that it returns keeps asking.
func (a *Agent) watchFilters(ctx context.Context) job {
	atStart, cancel := context.WithTimeout(ctx, filtersAtStart)
	defer cancel()
	wait := a.filters.ask(atStart)
	return endless(func(ctx context.Context) { a.filters.run(ctx, wait) })
}

// findFilters asks libvirt for the nwfilters that the rules name, as nwfilter.Find
// does. It asks nothing where they name none.
func findFilters(ctx context.Context, c config.Config) (nwfilter.Set, error) {
	names := c.Policy().Filters()
	if len(names) == 0 {
		return nil, nil
	}
	conn, err := libvirt.Dial(ctx, libvirt.Upstream(c.Gateway.Upstream))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return nwfilter.Find(ctx, conn, names, c.Mode == config.ModeObserve)
}
