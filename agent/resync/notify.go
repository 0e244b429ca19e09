package resync

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// notifier tells of changes in directories. Where inotify cannot be had it tells
// nothing, and the watcher polls.
type notifier struct {
	inotify *fsnotify.Watcher // nil where there is none
	events  chan fsnotify.Event
	errors  chan error
}

// watch makes sure that changes of the paths of a trail are told. Directories on
// the way that do not exist yet tell nothing; the one above tells when they
// appear. One that may not be read must not change. An error means that the
// file has to be polled.
func (n *notifier) watch(trail []string) error {
	if err := n.open(); err != nil {
		return err
	}
	own := filepath.Dir(trail[len(trail)-1])
	for _, path := range trail {
		err := n.inotify.Add(filepath.Dir(path))
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		case errors.Is(err, fs.ErrPermission) && filepath.Dir(path) != own:
		case errors.Is(err, unix.ENOSPC):
			return errors.New("no inotify watch is left: raise the sysctl fs.inotify.max_user_watches")
		default:
			return fmt.Errorf("watching %s: %w", filepath.Dir(path), err)
		}
	}
	return nil
}

func (n *notifier) open() error {
	if n.inotify != nil {
		return nil
	}
	w, err := fsnotify.NewWatcher()
	if errors.Is(err, unix.EMFILE) {
		return errors.New("no inotify instance is left: raise the sysctl fs.inotify.max_user_instances")
	}
	if err != nil {
		return fmt.Errorf("starting inotify: %w", err)
	}
	n.inotify, n.events, n.errors = w, w.Events, w.Errors
	return nil
}

func (n *notifier) close() error {
	if n.inotify == nil {
		return nil
	}
	return n.inotify.Close()
}
