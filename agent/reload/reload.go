// Package reload keeps the configuration in force while its file changes:
//
//	c := reload.New(path, cfg, log)
//	c.Apply = func(now config.Config) { … }
//	c.Run(ctx, hangups)
//
// A changed file is validated first. One with a mistake is refused, with its line
// and a caret in the log, and the configuration before it stays. It stays, too, when
// the file is removed: by the defaults the agent would suddenly change every domain.
// An empty file counts as removed.
package reload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/filewatch"
)

// Configuration is the one in force. Its methods are safe for concurrent use; its
// fields must not change once Run runs.
type Configuration struct {
	// Apply is called with each configuration that comes into force from now on.
	Apply func(config.Config)
	// Around is called for each reload. It must call the function that it is given,
	// which returns why the file was refused.
	Around func(reload func() error)

	path    string
	started config.Config
	log     *logrus.Logger

	mu      sync.Mutex
	current config.Config
	status  Status
}

// Status is what an operator needs to know of the configuration.
type Status struct {
	Path string      `json:"path"`
	Mode config.Mode `json:"mode"` // in force
	// Loaded is when the configuration in force was read, Checked when the file
	// was last read and Error why it is not in force as it was then.
	Loaded  time.Time `json:"loaded"`
	Checked time.Time `json:"checked"`
	Error   string    `json:"error,omitempty"`
	// Restart are keys that have another value now, which takes effect when the
	// agent is restarted.
	Restart []string `json:"restart,omitempty"`
}

// New returns the configuration that the agent starts with, as it was just read
// from the file at path.
func New(path string, c config.Config, log *logrus.Logger) *Configuration {
	now := time.Now()
	return &Configuration{
		Apply:  func(config.Config) {},
		Around: func(reload func() error) { _ = reload() }, // its error is in the log and in the status
		path:   path, started: c, log: log, current: c,
		status: Status{Path: path, Mode: c.Mode, Loaded: now, Checked: now},
	}
}

// Current returns the configuration in force. Its keys that need a restart are
// those of the file nevertheless.
func (c *Configuration) Current() config.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// Status returns what is known now.
func (c *Configuration) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Run reloads the file after each signal on hangups, and when it changes, until
// the context ends.
func (c *Configuration) Run(ctx context.Context, hangups <-chan os.Signal) {
	changed := filewatch.Watch(ctx, c.log.WithField("FILE", c.path), filewatch.File{Path: c.path})
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			c.reload(true)
		case <-changed:
			c.reload(false)
		}
	}
}

// reload reads the file again. Asked for, it always answers in the log; else it does
// so only if the file is another one now.
func (c *Configuration) reload(asked bool) {
	now, err := c.read()
	if !asked && c.known(now, err) {
		return
	}
	c.Around(func() error {
		if err != nil {
			c.refuse(err)
			return err
		}
		c.accept(now)
		return nil
	})
}

func (c *Configuration) read() (config.Config, error) {
	if info, err := os.Stat(c.path); err == nil && info.Size() == 0 && !c.byDefault() {
		return config.Config{}, fmt.Errorf("%s is empty, as it is while being written; put a comment into it to run with the defaults", c.path)
	}
	now, err := config.Read(c.path)
	if !errors.Is(err, fs.ErrNotExist) {
		return now, err
	}
	if c.byDefault() {
		return config.Default(), nil
	}
	return now, fmt.Errorf("%w; put the file back, or restart the agent to run with the defaults", err)
}

// byDefault reports whether the defaults are in force.
func (c *Configuration) byDefault() bool { return reflect.DeepEqual(c.Current(), config.Default()) }

// known reports whether there is nothing new about the file.
func (c *Configuration) known(now config.Config, err error) bool {
	s := c.Status()
	if err != nil {
		return s.Error == explain(err)
	}
	return s.Error == "" && reflect.DeepEqual(c.Current(), now)
}

func (c *Configuration) refuse(err error) {
	c.mu.Lock()
	c.status.Checked, c.status.Error = time.Now(), explain(err)
	c.mu.Unlock()
	const verdict = "the changed configuration is refused and the one before stays in force"
	var mistakes config.Errors
	if !errors.As(err, &mistakes) {
		c.log.WithField("FILE", c.path).Errorf("%s: %v", verdict, err)
		return
	}
	for _, m := range mistakes {
		c.log.WithFields(logrus.Fields{"FILE": m.File, "LINE": m.Line, "COLUMN": m.Column}).Errorf("%s:\n%s", verdict, m.Detail())
	}
}

// explain is an error as an operator reads it: the mistakes with a caret each.
func explain(err error) string {
	var mistakes config.Errors
	if errors.As(err, &mistakes) {
		return mistakes.Detail()
	}
	return err.Error()
}

func (c *Configuration) accept(now config.Config) {
	restart := needRestart(c.started, now)
	c.mu.Lock()
	read := time.Now()
	c.current = now
	c.status = Status{Path: c.path, Mode: now.Mode, Loaded: read, Checked: read, Restart: restart}
	c.mu.Unlock()
	c.Apply(now)
	log := c.log.WithField("FILE", c.path)
	log.Infof("the configuration is loaded again: mode %s, %d rules, %d files", now.Mode, len(now.Rules), len(now.Files))
	if len(restart) > 0 {
		log.Warnf("restart the agent for what has changed in %s", strings.Join(restart, ", "))
	}
}

// needRestart returns the keys that only a restart brings into force.
func needRestart(started, now config.Config) []string {
	var keys []string
	for _, k := range []struct {
		name      string
		different bool
	}{
		{"gateway.listen", started.Gateway.Listen != now.Gateway.Listen},
		{"gateway.upstream", started.Gateway.Upstream != now.Gateway.Upstream},
		{"metrics.listen", started.Metrics.Listen != now.Metrics.Listen},
		{"log.format", started.Log.Format != now.Log.Format},
	} {
		if k.different {
			keys = append(keys, k.name)
		}
	}
	return keys
}
