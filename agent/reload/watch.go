package reload

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/virt-netboot/virt-netboot/internal/filewatch"
)

// Events come in bursts, and a file may be written in several steps: it is read
// when nothing has happened for settle, or after patience at the latest.
const (
	settle   = 100 * time.Millisecond
	patience = time.Second
)

// Run reloads the file after each signal on hangups, and when it changes, until
// the context ends.
func (c *Configuration) Run(ctx context.Context, hangups <-chan os.Signal) {
	w := watch{Configuration: c, due: time.NewTimer(settle)} // for what has changed since it was read
	defer w.inotify.Close()
	defer w.due.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			w.arm()
			c.reload(true)
		case event := <-w.inotify.Events:
			if slices.Contains(w.trail, event.Name) {
				w.touch(time.Now())
			}
		case <-w.inotify.Errors: // most of all its queue's overflow: any event may have been lost
			w.touch(time.Now())
		case <-w.due.C:
			w.first = time.Time{}
			w.arm()
			c.reload(false)
		}
	}
}

// watch is the configuration's file being watched.
type watch struct {
	*Configuration
	inotify filewatch.Watcher
	trail   []string
	first   time.Time   // the first event that is not dealt with
	due     *time.Timer // for the time to deal with them
	blind   bool        // without inotify, and logged
}

// arm watches what leads to the file now. It must come before the file is read,
// or a change in between would be missed.
func (w *watch) arm() {
	path, err := filepath.Abs(w.path)
	if err == nil {
		w.trail = filewatch.Trail(path)
		err = w.inotify.Watch(w.trail)
	}
	if err != nil && !w.blind {
		w.log.WithField("FILE", w.path).Errorf("a changed configuration is only seen at SIGHUP: %v", err)
	}
	w.blind = err != nil
}

func (w *watch) touch(now time.Time) {
	if w.first.IsZero() {
		w.first = now
	}
	w.due.Reset(min(settle, w.first.Add(patience).Sub(now)))
}
