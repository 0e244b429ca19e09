package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	logDir       = layersDir + "/log"
	startTimeout = 60 * time.Second
	stopTimeout  = 20 * time.Second
)

// daemon is a program that runs in the background, with its output in a file.
type daemon struct {
	name string
	cmd  *exec.Cmd
	dead chan struct{} // closed when it has ended and err is set
	err  error
}

// startDaemon starts a program and returns once ready returns no error. Its output
// goes to a file unless the command has one.
func startDaemon(ctx context.Context, name string, cmd *exec.Cmd, ready func() error) (*daemon, error) {
	if cmd.Stderr == nil {
		log, err := openLog(name)
		if err != nil {
			return nil, err
		}
		defer log.Close()
		cmd.Stdout, cmd.Stderr = log, log
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	d := &daemon{name: name, cmd: cmd, dead: make(chan struct{})}
	go func() {
		d.err = cmd.Wait()
		close(d.dead)
	}()
	if err := d.await(ctx, ready); err != nil {
		d.kill()
		return nil, fmt.Errorf("starting %s: %w; its log ends:\n%s", name, err, logTail(name))
	}
	return d, nil
}

func (d *daemon) await(ctx context.Context, ready func() error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	go func() {
		select {
		case <-d.dead:
			end(fmt.Errorf("it ended: %v", d.err))
		case <-ctx.Done():
		}
	}()
	return Await(ctx, ready)
}

// stop ends the daemon as its service manager would, and returns how it ended.
func (d *daemon) stop() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", d.name, err)
	}
	select {
	case <-d.dead:
		if d.err != nil {
			return fmt.Errorf("%s ended: %w; its log ends:\n%s", d.name, d.err, logTail(d.name))
		}
		return nil
	case <-time.After(stopTimeout):
		d.kill()
		return fmt.Errorf("stopping %s: still there after %s; its log ends:\n%s", d.name, stopTimeout, logTail(d.name))
	}
}

// kill ends the daemon with SIGKILL.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill() // fails only for a process that is gone
	<-d.dead
}

// Await calls check every few milliseconds until it returns nil, or until ctx
// ends: then it returns check's last error.
func Await(ctx context.Context, check func() error) error {
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func logFile(name string) string { return filepath.Join(logDir, name+".log") }

func openLog(name string) (*os.File, error) {
	if err := makeDirs(0o755, logDir); err != nil {
		return nil, err
	}
	return os.OpenFile(logFile(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

// logTail is the end of what a daemon wrote, to its file or to the journal.
func logTail(name string) string {
	const lines = 30
	text, err := os.ReadFile(logFile(name))
	if errors.Is(err, fs.ErrNotExist) {
		var out string
		_, _ = run(exec.Command("journalctl", "--sync")) // without it the last lines may be missing
		out, err = run(exec.Command("journalctl", "--quiet", "--output=cat", "-t", name))
		text = []byte(out)
	}
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
