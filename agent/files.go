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
	config  *reload.Configuration
	alone   func() bool // whether nothing else ends when it does
	log     *logrus.Logger
	changed chan struct{} // holds a token when the configuration has changed

	mu      sync.Mutex
	watcher *resync.Watcher // at work
}

func newFiles(c *reload.Configuration, alone func() bool, log *logrus.Logger) *files {
	f := &files{config: c, alone: alone, log: log, changed: make(chan struct{}, 1)}
	c.OnChange(func(config.Config) {
		select {
		case f.changed <- struct{}{}:
		default:
		}
	})
	return f
}

// run keeps them patched until the context ends.
func (f *files) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := f.watch(ctx, f.config.Current()); err != nil {
			return err
		}
	}
	return nil
}

// watch runs one watcher, until it is to do something else.
func (f *files) watch(ctx context.Context, c config.Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &resync.Watcher{
		Files:       c.Files,
		DryRun:      c.Mode == config.ModeObserve,
		EndReadOnly: f.alone(),
		Policy:      func() domainxml.Policy { return f.config.Current().Policy() },
		Log:         f.log,
	}
	f.mu.Lock()
	f.watcher = w
	f.mu.Unlock()
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	for {
		select {
		case err := <-done:
			return err
		case <-f.changed:
		}
		if now := f.config.Current(); now.Mode != c.Mode || !slices.Equal(now.Files, c.Files) {
			cancel()
			return <-done
		}
		w.Rescan()
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
