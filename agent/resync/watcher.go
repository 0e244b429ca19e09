package resync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

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
	// unit after the directory of ReadWritePaths= was made again; a restart helps.
	EndReadOnly bool
	// RescanEvery is how often all files are looked at without any event; zero is
	// every minute.
	RescanEvery time.Duration

	once     sync.Once
	rescan   chan struct{}
	mu       sync.Mutex
	statuses []Status
}

// Run keeps the files patched until the context ends, then returns nil. It
// returns an error at once for a kind of file that it does not know, and later
// only with EndReadOnly. A Watcher runs once.
func (w *Watcher) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &run{Watcher: w}
	var watched []filewatch.File
	for _, f := range w.Files {
		if editorOf(f.Kind) == nil {
			return fmt.Errorf("%s: unknown kind %q of file", f.Path, f.Kind)
		}
		t := newTarget(f)
		r.targets, watched = append(r.targets, t), append(watched, t.watched())
	}
	return r.loop(ctx, filewatch.Watch(ctx, w.Log, watched...))
}

// Rescan makes Run look at all files at once, as it does every RescanEvery. It may be
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
	targets []*target
	ended   error // why Run ends
}

// loop looks at the files that have changed, by their index, and at those that are due.
func (r *run) loop(ctx context.Context, changed <-chan int) error {
	rescan := time.NewTicker(cmp.Or(r.RescanEvery, defaultRescan))
	defer rescan.Stop()
	for r.ended == nil {
		select {
		case <-ctx.Done():
			return nil
		case i := <-changed:
			r.look(r.targets[i], false)
		case <-rescan.C:
			r.lookAtAll()
		case <-r.rescans():
			r.lookAtAll()
		case now := <-r.due():
			r.lookAtDue(now)
		}
	}
	return r.ended
}

// due receives when the first file is due.
func (r *run) due() <-chan time.Time {
	var first time.Time
	for _, t := range r.targets {
		if due := t.schedule.due; !due.IsZero() && (first.IsZero() || due.Before(first)) {
			first = due
		}
	}
	if first.IsZero() {
		return nil
	}
	return time.After(time.Until(first))
}

func (r *run) lookAtDue(now time.Time) {
	for _, t := range r.targets {
		if due := t.schedule.due; !due.IsZero() && !due.After(now) {
			r.look(t, false)
		}
	}
}

func (r *run) lookAtAll() {
	for _, t := range r.targets {
		r.look(t, true)
	}
}

// look brings one file in line. Unless it is to be sure, a file that has not
// changed since it was in line is not read.
func (r *run) look(t *target, sure bool) {
	t.schedule.begin()
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
		r.ended = fmt.Errorf("%s has become read-only for this process; a restart helps: %w", filepath.Dir(t.Path), err)
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
