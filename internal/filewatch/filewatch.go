// Package filewatch tells when the file at a path may have become another one:
// when it is written or replaced, when a symlink on the way to it is changed, or
// when a directory of its path appears.
package filewatch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// maxLinks is how many symlinks the kernel follows in a path (path_resolution(7)).
const maxLinks = 40

// Trail returns every path that a change of can make another file of an absolute
// path: its directories, the symlinks in it, what they lead through, and the file
// last. What does not exist yet is in it too.
func Trail(path string) []string {
	var passed []string
	at, links := "/", 0
	todo := components(path)
	for len(todo) > 0 {
		at, todo = filepath.Join(at, todo[0]), todo[1:]
		passed = append(passed, at)
		target, err := os.Readlink(at)
		if err != nil || links == maxLinks {
			continue
		}
		links++
		todo = append(components(target), todo...)
		if at = filepath.Dir(at); filepath.IsAbs(target) {
			at = "/"
		}
	}
	return passed
}

func components(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// Watcher tells of changes in directories. Its zero value tells nothing yet.
type Watcher struct {
	// Events and Errors are inotify's. They are nil before Watch succeeds.
	Events <-chan fsnotify.Event
	Errors <-chan error

	inotify *fsnotify.Watcher
}

// Watch makes sure that changes of the paths of a trail are told, whose names
// are then those of Events. Directories that do not exist yet tell nothing; the
// ones above them tell when they appear, and then Watch is to be called again.
// One that may not be read must not change, unless the file is in it. Where
// inotify cannot be had an error says what to raise; the next call tries again.
func (w *Watcher) Watch(trail []string) error {
	if err := w.open(); err != nil {
		return err
	}
	own := filepath.Dir(trail[len(trail)-1])
	for _, path := range trail {
		dir := filepath.Dir(path)
		err := w.inotify.Add(dir)
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		case errors.Is(err, fs.ErrPermission) && dir != own:
		case errors.Is(err, unix.ENOSPC):
			return errors.New("no inotify watch is left: raise the sysctl fs.inotify.max_user_watches")
		default:
			return fmt.Errorf("watching %s: %w", dir, err)
		}
	}
	return nil
}

func (w *Watcher) open() error {
	if w.inotify != nil {
		return nil
	}
	inotify, err := fsnotify.NewWatcher()
	if errors.Is(err, unix.EMFILE) {
		return errors.New("no inotify instance is left: raise the sysctl fs.inotify.max_user_instances")
	}
	if err != nil {
		return fmt.Errorf("starting inotify: %w", err)
	}
	w.inotify, w.Events, w.Errors = inotify, inotify.Events, inotify.Errors
	return nil
}

// Close ends the watch.
func (w *Watcher) Close() error {
	if w.inotify == nil {
		return nil
	}
	return w.inotify.Close()
}
