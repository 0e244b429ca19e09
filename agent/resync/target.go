package resync

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/agent/resync/edit"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/filewatch"
)

// target is one file that is kept patched, and what is known of it.
type target struct {
	config.File
	schedule schedule
	settled  identity // of the file when it was last found or put in line
	readOnly bool     // its directory was so from the start
	status   Status
	told     []edit.Note // what the log has of them
}

func newTarget(f config.File) *target {
	if abs, err := filepath.Abs(f.Path); err == nil {
		f.Path = abs
	}
	return &target{
		File:     f,
		readOnly: errors.Is(unix.Access(filepath.Dir(f.Path), unix.W_OK), unix.EROFS),
		status:   Status{Path: f.Path, Kind: f.Kind},
	}
}

// watched is what may change about the file.
func (t *target) watched() filewatch.File {
	return filewatch.File{Path: t.Path, Beside: t.Path + markerSuffix}
}

// unchanged reports whether the file is the one that was last in line, without
// reading it. So the watcher's own writes cost no second look.
func (t *target) unchanged() bool {
	info, err := os.Stat(t.Path)
	return err == nil && t.status.State == StateInSync && identityOf(info) == t.settled && !exists(t.Path+markerSuffix)
}

// learn takes in what came of a look at the file.
func (t *target) learn(out outcome, err error, now time.Time) {
	before := t.status
	t.status = newStatus(t.File, out, err, now)
	if !out.wrote {
		t.status.Changed, t.status.Todo = before.Changed, before.Todo
	}
	t.status.count(before, out, now)
	t.settled = out.identity
	var content *edit.Error
	switch {
	case err == nil:
		t.schedule.succeeded()
	case errors.Is(err, errBusy):
		t.schedule.busy(now)
	case errors.As(err, &content):
		t.schedule.succeeded() // only another content helps
	default:
		t.schedule.failed(now)
	}
}

func newStatus(f config.File, out outcome, err error, now time.Time) Status {
	s := Status{Path: f.Path, Kind: f.Kind, State: out.state, Stock: out.stock, Notes: out.Notes}
	if out.wrote {
		s.Changed, s.Todo = now, out.Todo
	}
	switch {
	case errors.Is(err, errBusy):
		s.State, s.Error = StateBusy, err.Error()
	case err != nil:
		s.State, s.Error = StateFailed, err.Error()
	}
	return s
}
