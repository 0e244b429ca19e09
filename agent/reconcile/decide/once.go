package decide

import (
	"errors"

	"github.com/virt-netboot/virt-netboot/agent/libvirt/domain"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// Once decides as `virt-netboot once` does: the domain is marked, or with OnceNone
// its mark is removed, and the boot order follows.
func Once(r domainxml.Rewriter, s domain.State, to domainxml.Once) Decision {
	d := newDecider(s)
	if !s.Persistent {
		d.Facts.Domain = domainxml.Domain{Name: s.Name, UUID: s.UUID}
		d.Refused = errors.New("it is transient: it has no definition to start from again")
		return d.Decision
	}
	if d.canDefine() {
		d.once(r, to)
	}
	return d.decision()
}

func (d *decider) once(r domainxml.Rewriter, to domainxml.Once) {
	d.next = d.definition.Facts().Start
	switch {
	case to != domainxml.OnceNone && !d.definition.Domain().QEMU():
		d.Refused = errors.New("it does not belong to libvirt's QEMU driver")
	case to != domainxml.OnceNone && d.definition.Reverted():
		d.Refused = errors.New("it is reverted, and so left alone; virt-netboot apply takes this mark away")
	default:
		d.define(r.Rewrite(d.definition.WithOnce(to), domainxml.Inactive))
	}
}

// startedOnce is the definition, with the mark of once set to done where the guest has
// started. A running guest that has the mark has started with it, so nothing needs to
// watch the start.
func (d *decider) startedOnce() *domainxml.Document {
	if d.live != nil && pending(d.live) && pending(d.definition) {
		return d.definition.WithOnce(domainxml.OnceDone)
	}
	return d.definition
}

// running is the running guest's document, with the mark of once set to done, and
// whether a reset of the guest must find its disk first.
func (d *decider) running(r domainxml.Rewriter) (live *domainxml.Document, diskNext bool) {
	if pending(d.live) || untilInstalled(r, d.live) {
		return d.live.WithOnce(domainxml.OnceDone), true
	}
	return d.live, false
}

func pending(doc *domainxml.Document) bool { return doc.Once() == domainxml.OncePending }

// untilInstalled reports whether a guest has started from the network because its rule
// wants that while the disk is blank. At a reset the disk may come first: from one that
// is still blank, the firmware goes on to the network.
func untilInstalled(r domainxml.Rewriter, live *domainxml.Document) bool {
	if live.Once() != domainxml.OnceNone {
		return false
	}
	rule := r.Policy.For(live.Domain())
	return rule != nil && rule.Boot != domainxml.BootKeep && rule.OnlyIf == domainxml.OnlyIfBlankDisk &&
		live.NetworkFirstByRule()
}
