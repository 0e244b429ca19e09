package reconcile

import (
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/agent/reconcile/decide"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// entry returns what is known of a domain; the lock is held.
func (r *Reconciler) entry(uuid string) *entry {
	e := r.domains[uuid]
	if e == nil {
		e = &entry{}
		r.domains[uuid] = e
	}
	return e
}

// skips reports whether a domain is not inspected for now.
func (r *Reconciler) skips(uuid string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.Clock.Now().Before(r.entry(uuid).skipUntil) {
		return false
	}
	r.tick(uuid)
	return true
}

// unanswered skips a domain for a while that libvirt does not answer about: each call
// that waits takes one of libvirt's threads.
func (r *Reconciler) unanswered(uuid string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entry(uuid).skipUntil = r.Clock.Now().Add(backOffFor)
	r.Log.WithField("UUID", uuid).Errorf("libvirt does not answer about domain %s; it is not inspected again for %v", uuid, backOffFor)
}

// may reports whether a domain that is not in sync may be changed now.
func (r *Reconciler) may(uuid string) bool {
	if r.Observe() {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entry(uuid).backingOff.may(r.Clock.Now())
}

// changedDomain records and logs what was changed.
func (r *Reconciler) changedDomain(uuid string, d decide.Decision) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entry(uuid)
	e.backingOff.changed = true
	log := r.Log.WithFields(fields(d))
	if d.Define != nil {
		log.WithField("CHANGE", joined(d.Changes)).Infof("domain %s redefined: %s", d.Name, joined(d.Changes))
	}
	if len(d.BootLast) > 0 {
		log.Infof("running domain %s: a reboot from inside the guest finds the disk before the network", d.Name)
	}
	if len(d.Updates) > 0 {
		log.WithField("CHANGE", joined(d.LiveChanges)).Infof("running domain %s changed: %s", d.Name, joined(d.LiveChanges))
	}
}

// gone forgets a domain that libvirt does not have any more, but not that it is
// reverted, marked for once or backed off from: Nova may define it again.
func (r *Reconciler) gone(uuid string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tick(uuid)
	e := r.entry(uuid)
	if e.reverted || e.once != domainxml.OnceNone || r.Clock.Now().Before(e.backingOff.until) {
		e.seen, e.decision, e.err = false, decide.Decision{}, nil
		return
	}
	delete(r.domains, uuid)
}

// inspected records what was found about a domain, and logs what is new.
func (r *Reconciler) inspected(uuid string, d decide.Decision, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tick(uuid)
	e := r.entry(uuid)
	if err == nil {
		err = d.Facts.Unreadable
	}
	if d.UUID == "" { // it could not even be read
		d = e.decision
		d.UUID = uuid
	}
	e.seen, e.decision, e.err = true, d.WithoutDocuments(), err
	if d.Facts.Unreadable == nil {
		e.reverted, e.once = d.Facts.Reverted, d.Facts.Once
	}
	r.logNew(e)
}

// logNew logs what keeps a domain from being in sync, unless it logged the same last
// time. What keeps it from booting from the network is in its status, and the hook logs
// it at each start.
func (r *Reconciler) logNew(e *entry) {
	type line struct {
		level logrus.Level
		text  string
	}
	var lines []line
	s := e.status(r.Clock.Now())
	if s.Error != "" {
		lines = append(lines, line{logrus.ErrorLevel, "domain " + s.Name + " is not in sync: " + s.Error})
	}
	if !s.BackingOffUntil.IsZero() {
		lines = append(lines, line{logrus.WarnLevel, "another program keeps changing domain " + s.Name + " back; backing off until " + s.BackingOffUntil.Format(time.RFC3339)})
	}
	if why := r.leaves(s); why != "" && len(s.Wanted) > 0 {
		wanted := slices.Concat(e.decision.Changes, e.decision.LiveChanges)
		lines = append(lines, line{logrus.InfoLevel, "domain " + s.Name + " stays as it is (" + why + "); it would be changed: " + joined(wanted)})
	}
	if len(s.Pending) > 0 {
		lines = append(lines, line{logrus.InfoLevel, "domain " + s.Name + " runs; at its next start: " + joined(e.decision.Facts.Pending)})
	}
	var all strings.Builder
	for _, l := range lines {
		all.WriteString(l.text + "\n")
	}
	if e.logged == all.String() {
		return
	}
	e.logged = all.String()
	for _, l := range lines {
		r.Log.WithFields(fields(e.decision)).Log(l.level, l.text)
	}
}

// leaves is the key of the configuration that leaves a domain as it is, "" for none.
func (r *Reconciler) leaves(s DomainStatus) string {
	switch {
	case r.Observe():
		return "mode: observe"
	case s.Kept:
		return "existing: keep"
	}
	return ""
}

func fields(d decide.Decision) logrus.Fields {
	f := logrus.Fields{"DOMAIN": d.Name, "UUID": d.UUID}
	if d.Facts.Rule != "" {
		f["RULE"] = d.Facts.Rule
	}
	return f
}

func joined(changes []domainxml.Change) string { return strings.Join(texts(changes), "; ") }
