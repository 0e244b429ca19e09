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

// files keeps those of Nova's files patched that the configuration in force names.
type files struct {
	config *reload.Configuration
	alone  bool // the agent has no other component
	log    *logrus.Logger

	mu      sync.Mutex
	watcher *resync.Watcher
	end     func()        // ends the watcher
	by      config.Config // the watcher's configuration
}

// run keeps the files patched until the context ends.
func (f *files) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := f.watch(ctx); err != nil {
			return err
		}
	}
	return nil
}

// watch runs one watcher until the configuration needs another one.
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

// configChanged applies the configuration in force to the files.
func (f *files) configChanged() {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.config.Current()
	switch {
	case f.watcher == nil: // the first one will have it
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
