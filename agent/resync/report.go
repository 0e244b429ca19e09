package resync

import (
	"slices"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/agent/resync/edit"
)

// report logs what is new in a file's status. What goes on as before is not said
// again.
func (r *run) report(t *target, before Status, out outcome) {
	log := r.Log.WithField("FILE", t.Path)
	now := t.status
	switch {
	case out.wrote:
		log.WithField("CHANGE", join(out.Changes)).Infof("%s: patched: %s", t.Path, join(out.Changes))
	case now.State == StateWouldChange && before.State != now.State:
		log.WithField("CHANGE", join(out.Changes)).Infof("%s: would be patched: %s", t.Path, join(out.Changes))
	case now.State == StateReverted && before.State != now.State:
		log.Infof("%s: left alone, since it was reverted; `virt-netboot apply --files` patches it again", t.Path)
	case now.State == StateMissing && before.State != now.State:
		log.Infof("%s: not there; it will be patched when it appears", t.Path)
	case now.State == StateBusy:
		log.Debug(now.Error)
	case now.State == StateFailed:
		r.reportFailure(log, t, before)
	case now.State == StateInSync && before.State == StateFailed:
		log.Infof("%s: in sync again", t.Path)
	}
	// A file that cannot be read for a moment has no notes, and then the same ones.
	if len(now.Notes) > 0 && !slices.Equal(t.told, now.Notes) {
		t.told = now.Notes
		for _, n := range now.Notes {
			log.Warnf("%s: %s", t.Path, n)
		}
	}
	if out.wrote && now.Todo != "" {
		log.Warnf("%s: %s", t.Path, now.Todo)
	}
}

func (r *run) reportFailure(log logrus.FieldLogger, t *target, before Status) {
	if before.Error == t.status.Error {
		log.Debug(t.status.Error)
		return
	}
	log.Error(t.status.Error)
}

func join(notes []edit.Note) string {
	var s []string
	for _, n := range notes {
		s = append(s, n.String())
	}
	return strings.Join(s, "; ")
}
