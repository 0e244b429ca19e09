package resync

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/filewatch"
)

// Watcher keeps files patched. Its fields must not change once Run runs.
type Watcher struct {
	Files []config.File
	// Policy returns the policy in force. It is asked at each look at a file; call
	// Rescan when it has changed.
	Policy func() domainxml.Policy
	Log    logrus.FieldLogger
	// DryRun only says what would be changed.
	DryRun bool
	// EndReadOnly lets Run end with an error when it cannot write any more to a
	// directory that it could write to, or that was not there. So it is in a systemd
	// unit after the directory of ReadWritePaths= was made anew; a restart helps.
	EndReadOnly bool
	// Timing is for tests; its zero value is the default.
	Timing Timing

	once     sync.Once
	rescan   chan struct{}
	mu       sync.Mutex
	statuses []Status
}

// Run keeps the files patched until the context ends, then returns nil. It
// returns an error at once for a kind of file that it does not know, and later
// only with EndReadOnly. A Watcher runs once.
func (w *Watcher) Run(ctx context.Context) error {
	r := &run{Watcher: w, timing: w.Timing.withDefaults()}
	for _, f := range w.Files {
		if editorOf(f.Kind) == nil {
			return fmt.Errorf("%s: unknown kind %q of file", f.Path, f.Kind)
		}
		r.targets = append(r.targets, newTarget(f, r.timing))
	}
	defer r.inotify.Close()
	return r.loop(ctx)
}

// Rescan makes Run look at all files at once, as it does every minute. It may be
// called at any time and does not wait.
func (w *Watcher) Rescan() {
	select {
	case w.rescans() <- struct{}{}:
	default: // one is under way already
	}
}

func (w *Watcher) rescans() chan struct{} {
	w.once.Do(func() { w.rescan = make(chan struct{}, 1) })
	return w.rescan
}

// Status returns what is known of each file, in the order of Files. It is empty
// until Run has looked at them.
func (w *Watcher) Status() []Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.statuses)
}

// run is the watcher at work. Only its own goroutine touches it.
type run struct {
	*Watcher
	timing  Timing
	targets []*target
	inotify filewatch.Watcher
	polling string // why the files are polled, "" while they are not
	ended   error  // why Run ends
}

func (r *run) loop(ctx context.Context) error {
	rescan, poll, timer := time.NewTicker(r.timing.Rescan), time.NewTicker(r.timing.Poll), time.NewTimer(0)
	defer rescan.Stop()
	defer poll.Stop()
	defer timer.Stop()
	r.lookAtAll()
	for {
		r.lookAtDue(time.Now())
		if r.ended != nil {
			return r.ended
		}
		var wake <-chan time.Time
		if next := r.next(); !next.IsZero() {
			timer.Reset(time.Until(next))
			wake = timer.C
		}
		var polls <-chan time.Time
		if r.polling != "" {
			polls = poll.C
		}
		select {
		case <-ctx.Done():
			return nil
		case event := <-r.inotify.Events:
			r.touch(event)
		case err := <-r.inotify.Errors:
			// Most of all the queue's overflow: any event may have been lost.
			r.Log.WithError(err).Warn("inotify lost events; looking at all files")
			r.lookAtAll()
		case <-rescan.C:
			r.lookAtAll()
		case <-r.rescans():
			r.lookAtAll()
		case now := <-polls:
			r.touchAll(now)
		case <-wake:
		}
	}
}

func (r *run) touch(event fsnotify.Event) {
	for _, t := range r.targets {
		if t.concerns(event.Name) {
			t.schedule.touch(time.Now())
		}
	}
}

func (r *run) touchAll(now time.Time) {
	for _, t := range r.targets {
		t.schedule.touch(now)
	}
}

// next returns when the first file is due, the zero time for never.
func (r *run) next() time.Time {
	var next time.Time
	for _, t := range r.targets {
		if due := t.schedule.due(); !due.IsZero() && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	return next
}

func (r *run) lookAtDue(now time.Time) {
	for _, t := range r.targets {
		if due := t.schedule.due(); !due.IsZero() && !due.After(now) {
			r.look(t, false)
		}
	}
}

// lookAtAll reads all files anew, and tries inotify again where it failed.
func (r *run) lookAtAll() {
	before := r.polling
	r.polling = ""
	for _, t := range r.targets {
		r.look(t, true)
	}
	switch {
	case r.polling == before:
	case r.polling == "":
		r.Log.Info("inotify works again")
	default:
		r.Log.Errorf("looking at the files every %v: %s", r.timing.Poll, r.polling)
	}
}

// look brings one file in line. Unless it is to be sure, a file that has not
// changed since it was in line is not read.
func (r *run) look(t *target, sure bool) {
	t.schedule.begin()
	r.watch(t)
	if !sure && t.unchanged() {
		return
	}
	out, err := patch(t.File, r.Policy(), r.DryRun)
	before := t.status
	t.learn(out, err, time.Now())
	r.Log.WithField("FILE", t.Path).Debug("looked")
	r.report(t, before, out)
	r.publish()
	if r.EndReadOnly && !t.readOnly && errors.Is(err, unix.EROFS) {
		r.ended = fmt.Errorf("%s has become read-only for this process, which a restart mends: %w", filepath.Dir(t.Path), err)
	}
}

func (r *run) publish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.statuses = r.statuses[:0]
	for _, t := range r.targets {
		r.statuses = append(r.statuses, t.status)
	}
}

// watch arms inotify for a file.
func (r *run) watch(t *target) {
	if err := r.inotify.Watch(t.findTrail()); err != nil {
		r.polling = err.Error()
	}
}
