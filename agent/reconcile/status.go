package reconcile

import (
	"slices"
	"strings"
	"time"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// Status is what the reconciler knows.
type Status struct {
	Libvirt LibvirtStatus  `json:"libvirt"`
	Observe bool           `json:"observe"` // domains are inspected and not changed
	Domains []DomainStatus `json:"domains"` // by name

	// LastReconcile is when the last pass over all domains ended, and Duration how
	// long it took; zero before the first one.
	LastReconcile time.Time     `json:"last_reconcile"`
	Duration      time.Duration `json:"duration_ns"`
}

// LibvirtStatus is the connection to libvirt.
type LibvirtStatus struct {
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"` // of the connection, or of its end
	Version   string    `json:"version,omitempty"`
	Error     string    `json:"error,omitempty"` // why there is no connection
}

// DomainStatus is one domain.
type DomainStatus struct {
	Name string `json:"name"`
	UUID string `json:"uuid"`
	// DisplayName and Project are from Nova's metadata.
	DisplayName string `json:"display_name,omitempty"`
	Project     string `json:"project,omitempty"`
	Active      bool   `json:"active"`
	Persistent  bool   `json:"persistent"`

	// BootsFrom and Filters are the running guest's, or the definition's where
	// none runs.
	BootsFrom domainxml.BootsFrom `json:"boots_from"`
	Filters   []string            `json:"filters"`
	Rule      string              `json:"rule,omitempty"`
	Reverted  bool                `json:"reverted"`
	// Kept says that the domain was there when the mode became enforce and stays as it is
	// (existing: keep).
	Kept bool `json:"kept"`
	// Once is set where virt-netboot once was called: pending or done.
	Once domainxml.Once `json:"once,omitempty"`

	// Pending waits for the guest's next start.
	Pending []domainxml.Change `json:"pending"`
	// Wanted is what the rule wants and has not been done: in observe mode, with
	// existing: keep, while backing off, or after an error.
	Wanted   []domainxml.Change  `json:"wanted"`
	Warnings []domainxml.Warning `json:"warnings"`
	// Error is why the domain could not be brought in sync.
	Error string `json:"error,omitempty"`
	// Unreadable says that the error is that its document cannot be read.
	Unreadable bool `json:"unreadable"`
	// BackingOffUntil is set while the domain is left alone because another program
	// keeps changing it back.
	BackingOffUntil time.Time `json:"backing_off_until,omitzero"`
}

// Status returns what is known now. The caller may change it.
func (r *Reconciler) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	s.Observe = r.Observe()
	s.Domains = make([]DomainStatus, 0, len(r.domains))
	for _, e := range r.domains {
		if e.seen {
			s.Domains = append(s.Domains, e.status(r.Clock.Now()))
		}
	}
	slices.SortFunc(s.Domains, func(a, b DomainStatus) int { return strings.Compare(a.Name, b.Name) })
	return s
}

// status is a domain by its last decision and what came of it.
func (e *entry) status(now time.Time) DomainStatus {
	d, f := e.decision, e.decision.Facts
	s := DomainStatus{
		Name:        d.Name,
		UUID:        d.UUID,
		DisplayName: f.Domain.Nova.DisplayName,
		Project:     f.Domain.Nova.Project.Name,
		Active:      d.Active,
		Persistent:  d.Persistent,
		BootsFrom:   f.Boots,
		Filters:     append([]string{}, f.Filters...),
		Rule:        f.Rule,
		Reverted:    f.Reverted,
		Kept:        f.Kept && !f.Reverted,
		Once:        f.Once,
		Unreadable:  f.Unreadable != nil,
	}
	if now.Before(e.backingOff.until) {
		s.BackingOffUntil = e.backingOff.until
	}
	if e.err != nil {
		s.Error = e.err.Error()
	}
	s.Warnings = append([]domainxml.Warning{}, f.Warnings...)
	s.Wanted = distinct(slices.Concat(d.Changes, d.LiveChanges))
	s.Pending = []domainxml.Change{}
	if d.Define == nil { // otherwise it waits for Define first
		s.Pending = distinct(f.Pending)
	}
	return s
}

// distinct drops repeated changes.
func distinct(changes []domainxml.Change) []domainxml.Change {
	all := make([]domainxml.Change, 0, len(changes))
	for _, c := range changes {
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

func texts(changes []domainxml.Change) []string {
	var s []string
	for _, c := range changes {
		if text := c.String(); !slices.Contains(s, text) {
			s = append(s, text)
		}
	}
	return s
}
