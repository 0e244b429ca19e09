package filewatch

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// inotify tells of changes in directories. Its zero value tells nothing yet: the
// channels are nil before watch succeeds.
type inotify struct {
	Events <-chan fsnotify.Event
	Errors <-chan error

	watcher *fsnotify.Watcher
}

// watch makes sure that changes of the paths of a trail are told, whose names
// are then those of Events. Directories that do not exist yet tell nothing; the
// ones above them tell when they appear, and then watch is to be called again.
// One that may not be read must not change, unless the file is in it. Where
// inotify cannot be had an error says what to raise; the next call tries again.
func (i *inotify) watch(trail []string) error {
	if err := i.open(); err != nil {
		return err
	}
	own := filepath.Dir(trail[len(trail)-1])
	for _, path := range trail {
		dir := filepath.Dir(path)
		err := i.watcher.Add(dir)
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

func (i *inotify) open() error {
	if i.watcher != nil {
		return nil
	}
	watcher, err := fsnotify.NewWatcher()
	if errors.Is(err, unix.EMFILE) {
		return errors.New("no inotify instance is left: raise the sysctl fs.inotify.max_user_instances")
	}
	if err != nil {
		return fmt.Errorf("starting inotify: %w", err)
	}
	i.watcher, i.Events, i.Errors = watcher, watcher.Events, watcher.Errors
	return nil
}

func (i *inotify) close() {
	if i.watcher != nil {
		i.watcher.Close()
	}
}
