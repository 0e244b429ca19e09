// Package decide decides what becomes of a domain, from its documents and the rules. It
// does no I/O and knows no connection to libvirt.
package decide

import (
	"bytes"
	"slices"

	"github.com/virt-netboot/virt-netboot/agent/libvirt/domain"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// Decision is what is to become of a domain, and what is known of it.
type Decision struct {
	domain.State
	Facts Facts

	// Define is the definition that the domain is to get; nil leaves it.
	Define []byte
	// Changes say how Define differs from the definition that is there.
	Changes []domainxml.Change

	// Updates are the interfaces of the running guest that are to change.
	Updates []domainxml.InterfaceUpdate
	// LiveChanges say what Updates change.
	LiveChanges []domainxml.Change
	// Record replaces the undo record in the running guest's metadata; nil leaves it,
	// "" takes it away.
	Record *string
	// BootLast are devices of the running guest, by their aliases. From its next reset
	// on, its firmware tries all others first.
	BootLast []string

	// Refused is why nothing can be done for what was asked.
	Refused error
}

// Facts are what a domain's documents show.
type Facts struct {
	Domain domainxml.Domain
	// Boots and Filters are the running guest's; those of the definition where
	// none runs.
	Boots   domainxml.BootsFrom
	Filters []string
	// Rule is the name of the rule that decides, "" for none.
	Rule string
	// Reverted says that the domain is left alone until it is applied again.
	Reverted bool
	// Kept says that existing: keep leaves the domain as it is. Changes are what its rule
	// wants.
	Kept bool
	// Once is the domain's mark of virt-netboot once.
	Once domainxml.Once
	// Pending are the changes that a running guest gets at its next start.
	Pending []domainxml.Change
	// Warnings are what keeps it from booting from the network.
	Warnings []domainxml.Warning
	// Unreadable is why its document cannot be read; it is left as it is.
	Unreadable error
}

// InSync reports whether there is nothing to do.
func (d Decision) InSync() bool {
	return d.Define == nil && len(d.Updates) == 0 && d.Record == nil
}

// WithoutDocuments is what Status needs of a decision, at a hundredth of the memory.
func (d Decision) WithoutDocuments() Decision {
	d.Live, d.Inactive, d.Updates, d.Record = nil, nil, nil, nil
	if d.Define != nil {
		d.Define = []byte{} // which says that it was not done
	}
	return d
}

// SameActions reports whether two decisions do the same to the same documents.
func (d Decision) SameActions(other Decision) bool {
	return bytes.Equal(d.Define, other.Define) &&
		slices.Equal(d.Updates, other.Updates) &&
		(d.Define == nil || bytes.Equal(d.Inactive, other.Inactive)) &&
		(d.Record == nil) == (other.Record == nil) && (d.Record == nil || *d.Record == *other.Record)
}

// decider decides about a domain. Each of its documents is parsed once.
type decider struct {
	Decision
	definition, live       *domainxml.Document // nil where there is none that can be read
	definitionErr, liveErr error
	next                   domainxml.Start // how the guest starts from the definition
}

func newDecider(s domain.State) *decider {
	d := &decider{Decision: Decision{State: s}}
	if s.Persistent {
		d.definition, d.definitionErr = domainxml.Parse(s.Inactive)
	}
	if s.Active {
		d.live, d.liveErr = domainxml.Parse(s.Live)
	}
	return d
}

// Enforce decides by the rules. reverted says that the domain was marked as reverted
// when it was last inspected. A document that has lost the mark since, such as one that
// Nova has written from scratch for a hard reboot, gets it back.
func Enforce(r domainxml.Rewriter, s domain.State, reverted bool) Decision {
	return newDecider(s).enforce(r, reverted)
}

// Keep is Enforce for a domain that was there when the mode became enforce, with
// existing: keep. It is left as it is until it has an undo record: virt-netboot apply
// and the gateway write one.
func Keep(r domainxml.Rewriter, s domain.State, reverted bool) Decision {
	d := newDecider(s)
	if !r.Policy.Observe && !d.hasRecord() {
		d.Facts.Kept, r.Policy.Observe = true, true
	}
	return d.enforce(r, reverted)
}

func (d *decider) hasRecord() bool {
	return d.definition != nil && d.definition.HasRecord() || d.live != nil && d.live.HasRecord()
}

func (d *decider) enforce(r domainxml.Rewriter, reverted bool) Decision {
	if d.canDefine() {
		d.define(r.Rewrite(d.startedOnce(), domainxml.Inactive))
		if d.Define == nil && d.definition.Incomplete() && !r.Policy.Observe {
			d.complete()
		}
		if reverted && !d.Facts.Reverted && d.Define != nil {
			d.define(d.definition.Revert(true, domainxml.Inactive))
			d.noRule()
		}
	}
	if !d.Facts.Reverted && d.canUpdate() {
		live, diskNext := d.running(r)
		d.update(r.Rewrite(live, domainxml.Running))
		if diskNext {
			d.bootNetworkLast()
		}
		if reverted && !d.Persistent && !d.Facts.Reverted && d.Record != nil {
			d.update(d.live.Revert(true, domainxml.Running))
			d.noRule()
		}
	}
	return d.decision()
}

// Revert decides as `virt-netboot revert` does: what the undo record has is put back,
// and the domain is marked. Of r only NWFilter counts.
func Revert(r domainxml.Rewriter, s domain.State) Decision {
	d := newDecider(s)
	if d.canDefine() {
		d.define(r.Revert(d.definition, true, domainxml.Inactive))
	}
	if d.canUpdate() {
		d.update(r.Revert(d.live, true, domainxml.Running))
	}
	left := d.Facts.Warnings
	d.noRule()
	d.Facts.Warnings = left
	return d.decision()
}

// Restore decides as `virt-netboot disable --revert` does: what the undo record has is
// put back, and no trace of virt-netboot stays in the domain, no mark either.
func Restore(s domain.State) Decision {
	d := newDecider(s)
	if d.canDefine() {
		d.define(d.definition.Revert(false, domainxml.Inactive))
	}
	if d.canUpdate() {
		d.update(d.live.Revert(false, domainxml.Running))
	}
	return d.decision()
}

// Apply decides as `virt-netboot apply` does: the mark goes, and the rules apply.
func Apply(r domainxml.Rewriter, s domain.State) Decision {
	d := newDecider(s)
	if d.canDefine() {
		d.define(r.Rewrite(d.definition.Applied(), domainxml.Inactive))
	}
	if d.canUpdate() {
		d.update(r.Rewrite(d.live.Applied(), domainxml.Running))
	}
	return d.decision()
}

// canDefine reports whether there is a definition that can be read.
func (d *decider) canDefine() bool {
	d.unreadable(d.definitionErr)
	return d.definition != nil
}

// canUpdate reports whether there is a running guest's document that can be read, and
// no definition that cannot.
func (d *decider) canUpdate() bool {
	if d.Facts.Unreadable != nil {
		return false
	}
	d.unreadable(d.liveErr)
	return d.live != nil
}

func (d *decider) unreadable(err error) {
	if err != nil {
		d.Facts.Unreadable = err
	}
}

// bootNetworkLast makes the network the last at a reset of the running guest, unless
// its document has the network first without virt-netboot.
func (d *decider) bootNetworkLast() {
	without, err := d.live.Revert(false, domainxml.Inactive)
	d.unreadable(err)
	if err == nil && without.Start.BootsFrom != domainxml.BootsFromNetwork {
		d.BootLast = d.live.InterfaceAliases()
	}
}

// complete adds the domain's UUID and the devices' names to the undo record.
func (d *decider) complete() {
	facts := d.Facts
	d.define(d.definition.Completed())
	d.Facts.Rule, d.Facts.Warnings = facts.Rule, facts.Warnings
}

// define sets what becomes of the definition.
func (d *decider) define(res domainxml.Result, err error) {
	if err != nil {
		d.unreadable(err)
		return
	}
	d.setFacts(res)
	d.next = res.Start
	d.Define, d.Changes = nil, res.Changes
	if res.Changed() {
		d.Define = res.Output
	}
}

// update sets what becomes of the running guest's document.
func (d *decider) update(res domainxml.Result, err error) {
	if err != nil {
		d.unreadable(err)
		return
	}
	if !d.Persistent {
		d.setFacts(res)
	}
	d.Updates, d.LiveChanges, d.Record = res.Updates, nil, res.Record
	for _, c := range res.Changes {
		if c.Interface != "" {
			d.LiveChanges = append(d.LiveChanges, c)
		}
	}
}

func (d *decider) setFacts(res domainxml.Result) {
	d.Facts.Reverted, d.Facts.Once, d.Facts.Warnings = res.Reverted, res.Once, res.Warnings
	if res.Rule != nil {
		d.Facts.Rule = res.Rule.Name
	}
}

// noRule is for a domain that is marked as reverted: no rule applies to it.
func (d *decider) noRule() {
	d.Facts.Reverted, d.Facts.Rule, d.Facts.Warnings = true, "", nil
}

// decision completes the facts from the documents.
func (d *decider) decision() Decision {
	d.Facts.Domain = domainxml.Domain{Name: d.Name, UUID: d.UUID}
	shown, err := d.live, d.liveErr
	if !d.Active {
		shown, err = d.definition, d.definitionErr
	}
	d.unreadable(err)
	if shown == nil {
		return d.Decision
	}
	now := shown.Facts()
	d.Facts.Domain, d.Facts.Boots, d.Facts.Filters = now.Domain, now.BootsFrom, now.Filters
	if d.Active && d.definition != nil {
		d.Facts.Pending = domainxml.Pending(now.Start, d.next)
	}
	return d.Decision
}
