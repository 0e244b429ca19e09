// Package filewatch tells when the file at a path may have become another one:
// when it is written or replaced, when a symlink on the way to it is changed, or
// when a directory of its path appears.
//
//	files := []filewatch.File{{Path: "/etc/nova/dnsmasq.conf"}}
//	changed := filewatch.Watch(ctx, log, files...)
//	for {
//		select {
//		case i := <-changed:
//			… read files[i]
//		case <-ctx.Done():
//			return
//		}
//	}
//
// It has inotify for this, and polls where inotify cannot be had.
package filewatch

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
)

// pollEvery is how often a file is looked at that inotify does not tell of.
const pollEvery = 250 * time.Millisecond

// File is a file to watch.
type File struct {
	Path string
	// Beside is the path of a file in the same directory whose changes count as those
	// of Path; "" for none.
	Beside string
}

// Watch sends the index of a file when it may have changed, until the context ends.
// It does so once for each file at first, for what changed before. A burst of changes
// counts as one. A change after the receiver has got the index is sent again, so a file
// that is read then is never missed.
//
// Where inotify cannot be had the log says why, once.
func Watch(ctx context.Context, log logrus.FieldLogger, files ...File) <-chan int {
	w := &watcher{log: log, changed: make(chan int)}
	for _, f := range files {
		w.files = append(w.files, newFile(f))
	}
	go w.run(ctx)
	return w.changed
}

// watcher is a Watch at work. Only its own goroutine touches it.
type watcher struct {
	log     logrus.FieldLogger
	files   []*file
	inotify inotify
	changed chan int
	polling string // why files are polled, "" while none is
}

func (w *watcher) run(ctx context.Context) {
	defer w.inotify.close()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	w.touchAll()
	w.tell(ctx, time.Now().Add(patience)) // at once
	for {
		polls := poll.C
		if w.polling == "" {
			polls = nil
		}
		select {
		case <-ctx.Done():
			return
		case event := <-w.inotify.Events:
			w.touch(filepath.Clean(event.Name))
		case err := <-w.inotify.Errors:
			// Most of all the queue's overflow: any event may have been lost.
			w.log.WithError(err).Warn("inotify lost events; looking at all files")
			w.touchAll()
		case <-polls:
			w.poll()
		case now := <-w.over():
			w.tell(ctx, now)
		}
	}
}

// touch is for an event of a path.
func (w *watcher) touch(path string) {
	for _, f := range w.files {
		if slices.Contains(f.trail, path) {
			f.burst.add(time.Now())
		}
	}
}

func (w *watcher) touchAll() {
	for _, f := range w.files {
		f.burst.add(time.Now())
	}
}

// poll looks at the files that inotify does not tell of, and tries inotify again.
func (w *watcher) poll() {
	for _, f := range w.files {
		if f.blind != nil && (w.arm(f) || f.differs()) {
			f.burst.add(time.Now())
		}
	}
	w.report()
}

// over receives when the first burst is over.
func (w *watcher) over() <-chan time.Time {
	var first time.Time
	for _, f := range w.files {
		if over := f.burst.over(); !over.IsZero() && (first.IsZero() || over.Before(first)) {
			first = over
		}
	}
	if first.IsZero() {
		return nil
	}
	return time.After(time.Until(first))
}

// tell sends the files whose burst is over.
func (w *watcher) tell(ctx context.Context, now time.Time) {
	for i, f := range w.files {
		if over := f.burst.over(); over.IsZero() || over.After(now) {
			continue
		}
		f.burst = burst{}
		w.arm(f) // before it is read, or a change in between would be missed
		w.report()
		select {
		case w.changed <- i:
		case <-ctx.Done():
			return
		}
	}
}

// arm has inotify tell of what leads to a file now, and reports whether it does.
func (w *watcher) arm(f *file) bool {
	f.trail = Trail(f.Path)
	f.blind = w.inotify.watch(f.trail)
	if f.Beside != "" {
		f.trail = append(f.trail, f.Beside)
	}
	return f.blind == nil
}

// report logs when inotify cannot be had, and when it can be again.
func (w *watcher) report() {
	before := w.polling
	w.polling = ""
	for _, f := range w.files {
		if f.blind != nil {
			w.polling = f.blind.Error()
		}
	}
	switch {
	case w.polling == before:
	case w.polling == "":
		w.log.Info("inotify works again")
	default:
		w.log.Errorf("looking at the files every %v: %s", pollEvery, w.polling)
	}
}

// file is a File that is watched.
type file struct {
	File
	trail []string
	burst burst
	blind error // why inotify does not tell of it
	seen  [2]fs.FileInfo
}

func newFile(f File) *file {
	f.Path = absolute(f.Path)
	if f.Beside != "" {
		f.Beside = absolute(f.Beside)
	}
	return &file{File: f}
}

// absolute is a path as it is where the working directory is gone.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// differs reports whether the file is another one than when it was last asked.
func (f *file) differs() bool {
	before := f.seen
	for i, path := range []string{f.Path, f.Beside} {
		f.seen[i], _ = os.Stat(path) // nil where it is missing
	}
	return !same(before[0], f.seen[0]) || !same(before[1], f.seen[1])
}

func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
