package reconcile

import (
	"bytes"
	"errors"
	"slices"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// Decision is what is to become of a domain, and what is known of it.
type Decision struct {
	libvirt.State
	Facts Facts

	// Define is the definition that the domain is to get; nil leaves it.
	Define []byte
	// Changes say how Define differs from the definition that is there.
	Changes []domainxml.Change

	// Updates are the interfaces of the running guest that are to change.
	Updates []domainxml.InterfaceUpdate
	// LiveChanges say what Updates change.
	LiveChanges []domainxml.Change
	// Record replaces the element of ours in the running guest's metadata, so
	// that it can be reverted; nil leaves it, "" takes it away.
	Record *string
	// BootLast are devices of the running guest, by their aliases, that its firmware
	// is to try behind all others from its next reset on.
	BootLast []string

	// Refused is why nothing can be done for what was asked.
	Refused error
}

// Facts are what there is to see of a domain.
type Facts struct {
	Domain domainxml.Domain
	// Boots and Filters are the running guest's; those of the definition where
	// none runs.
	Boots   domainxml.BootsFrom
	Filters []string
	// Rule is the name of the rule that decides, "" for none.
	Rule string
	// Reverted: the domain is left alone until it is applied again.
	Reverted bool
	// Once is how far the domain is that virt-netboot once was called for.
	Once domainxml.Once
	// Pending are the changes that a running guest gets at its next start.
	Pending []domainxml.Change
	// Warnings are what keeps it from booting from the network.
	Warnings []domainxml.Warning
	// Unreadable is why its document cannot be read; it is left as it is.
	Unreadable error
}

// InLine reports whether there is nothing to do.
func (d Decision) InLine() bool {
	return d.Define == nil && len(d.Updates) == 0 && d.Record == nil
}

// sameActions reports whether two decisions do the same to the same documents.
func (d Decision) sameActions(other Decision) bool {
	return bytes.Equal(d.Define, other.Define) &&
		slices.Equal(d.Updates, other.Updates) &&
		(d.Define == nil || bytes.Equal(d.Inactive, other.Inactive)) &&
		(d.Record == nil) == (other.Record == nil) && (d.Record == nil || *d.Record == *other.Record)
}

// Enforce decides as the rules say. reverted is whether the domain was marked as
// reverted when it was last seen: a document that has lost the mark since, such as
// one that Nova wrote anew for a hard reboot, gets it back.
func Enforce(r domainxml.Rewriter, s libvirt.State, reverted bool) Decision {
	d := Decision{State: s}
	if s.Persistent {
		d.define(definition(r, s))
		if reverted && !d.Facts.Reverted && d.Define != nil {
			d.define(domainxml.Revert(s.Inactive, true))
			d.left()
		}
	}
	if s.Active && !d.Facts.Reverted && d.Facts.Unreadable == nil {
		res, diskNext, err := running(r, s)
		d.update(res, err)
		if diskNext {
			d.bootNetworkLast()
		}
		if reverted && !s.Persistent && !d.Facts.Reverted && d.Record != nil {
			d.update(domainxml.Revert(s.Live, true))
			d.left()
		}
	}
	d.look()
	return d
}

// Revert decides as `virt-netboot revert` does: what was taken away comes back,
// and the domain is marked.
func Revert(s libvirt.State) Decision {
	d := Decision{State: s}
	if s.Persistent {
		d.define(domainxml.Revert(s.Inactive, true))
	}
	if s.Active && d.Facts.Unreadable == nil {
		d.update(domainxml.Revert(s.Live, true))
	}
	d.left()
	d.look()
	return d
}

// Apply decides as `virt-netboot apply` does: the mark goes, and the rules apply.
func Apply(r domainxml.Rewriter, s libvirt.State) Decision {
	d := Decision{State: s}
	if s.Persistent {
		d.define(apply(r, s.Inactive, domainxml.Inactive))
	}
	if s.Active && d.Facts.Unreadable == nil {
		d.update(apply(r, s.Live, domainxml.Running))
	}
	d.look()
	return d
}

func apply(r domainxml.Rewriter, doc []byte, state domainxml.State) (domainxml.Result, error) {
	unmarked, err := domainxml.Apply(doc)
	if err != nil {
		return unmarked, err
	}
	return continued(r, unmarked, nil, state)
}

// bootNetworkLast has a reset of the running guest find its other devices first,
// unless its document has the network first without virt-netboot.
func (d *Decision) bootNetworkLast() {
	without, err := domainxml.Revert(d.Live, false)
	if err != nil {
		d.Facts.Unreadable = err
		return
	}
	usual, err := domainxml.Inspect(without.Output)
	if err == nil && usual.BootsFrom != domainxml.BootsFromNetwork {
		d.BootLast, err = domainxml.InterfaceAliases(d.Live)
	}
	if err != nil {
		d.Facts.Unreadable = err
	}
}

// define takes over what a document of domainxml's makes of the definition.
func (d *Decision) define(res domainxml.Result, err error) {
	if err != nil {
		d.Facts.Unreadable = err
		return
	}
	d.take(res)
	d.Define, d.Changes = nil, res.Changes
	if res.Changed() {
		d.Define = res.Output
	}
}

// update takes over what is made of the running guest's document.
func (d *Decision) update(res domainxml.Result, err error) {
	if err != nil {
		d.Facts.Unreadable = err
		return
	}
	if !d.Persistent {
		d.take(res)
	}
	d.Updates, d.LiveChanges, d.Record = nil, nil, nil
	before, err := domainxml.Record(d.Live)
	after, err2 := domainxml.Record(res.Output)
	updates, err3 := domainxml.InterfaceUpdates(d.Live, res.Output)
	if err := errors.Join(err, err2, err3); err != nil {
		d.Facts.Unreadable = err
		return
	}
	d.Updates = updates
	if before != after {
		d.Record = &after
	}
	for _, c := range res.Changes {
		if c.Interface != "" {
			d.LiveChanges = append(d.LiveChanges, c)
		}
	}
}

func (d *Decision) take(res domainxml.Result) {
	d.Facts.Reverted, d.Facts.Once, d.Facts.Warnings = res.Reverted, res.Once, res.Warnings
	if res.Rule != nil {
		d.Facts.Rule = res.Rule.Name
	}
}

// left is a domain that no rule applies to, as it is marked.
func (d *Decision) left() {
	d.Facts.Reverted, d.Facts.Rule, d.Facts.Warnings = true, "", nil
}

// look fills in the facts that the documents show.
func (d *Decision) look() {
	d.Facts.Domain = domainxml.Domain{Name: d.Name, UUID: d.UUID}
	shown := d.Live
	if !d.Active {
		shown = d.Inactive
	}
	now, err := domainxml.Inspect(shown)
	if err != nil {
		d.Facts.Unreadable = err
		return
	}
	d.Facts.Domain, d.Facts.Boots, d.Facts.Filters = now.Domain, now.BootsFrom, now.Filters
	if !d.Active || !d.Persistent {
		return
	}
	definition := d.Inactive
	if d.Define != nil {
		definition = d.Define
	}
	if d.Facts.Pending, err = domainxml.Pending(d.Live, definition); err != nil {
		d.Facts.Unreadable = err
	}
}
