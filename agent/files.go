package agent

import (
	"context"
	"slices"
	"sync"

	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/agent/reload"
	"github.com/virt-netboot/virt-netboot/agent/resync"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// files keeps Nova's files patched, those that the configuration in force names.
type files struct {
	config *reload.Configuration
	alone  bool // nothing else ends when it does
	log    *logrus.Logger

	mu      sync.Mutex
	watcher *resync.Watcher // at work
	end     func()          // has it end
	by      config.Config   // what it works by
}

// run keeps them patched until the context ends.
func (f *files) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := f.watch(ctx); err != nil {
			return err
		}
	}
	return nil
}

// watch runs one watcher, until the configuration wants another one.
func (f *files) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return f.newWatcher(cancel).Run(ctx)
}

func (f *files) newWatcher(end func()) *resync.Watcher {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.config.Current()
	f.end, f.by = end, c
	f.watcher = &resync.Watcher{
		Files:       c.Files,
		DryRun:      c.Mode == config.ModeObserve,
		EndReadOnly: f.alone,
		Policy:      func() domainxml.Policy { return f.config.Current().Policy() },
		Log:         f.log,
	}
	return f.watcher
}

// configChanged has the files patched by the configuration in force.
func (f *files) configChanged() {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.config.Current()
	switch {
	case f.watcher == nil: // the next one works by it
	case c.Mode != f.by.Mode, !slices.Equal(c.Files, f.by.Files):
		f.end()
	default:
		f.watcher.Rescan()
	}
}

func (f *files) status() []resync.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watcher == nil {
		return nil
	}
	return f.watcher.Status()
}
