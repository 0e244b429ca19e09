package reconcile

import (
	"errors"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// Once decides as `virt-netboot once` does: the domain is marked, or with OnceNone
// its mark is taken away, and the boot order follows.
func Once(r domainxml.Rewriter, s libvirt.State, to domainxml.Once) Decision {
	d := Decision{State: s}
	if !s.Persistent {
		d.Facts.Domain = domainxml.Domain{Name: s.Name, UUID: s.UUID}
		d.Refused = errors.New("it is transient: there is no definition that it could start from again")
		return d
	}
	marked, err := domainxml.SetOnce(s.Inactive, to)
	switch {
	case err == nil && to != domainxml.OnceNone && !marked.Domain.QEMU():
		d.Refused = errors.New("it is none of libvirt's QEMU driver")
	case err == nil && to != domainxml.OnceNone && marked.Reverted:
		d.Refused = errors.New("it is reverted, and so left alone; virt-netboot apply takes that mark away")
	default:
		d.define(continued(r, marked, err, domainxml.Inactive))
	}
	d.look()
	return d
}

// definition decides what becomes of the definition. A guest that runs with the
// mark of once has started with it: there is no other way into the running guest's
// document. So the mark needs nobody who has watched the start.
func definition(r domainxml.Rewriter, s libvirt.State) (domainxml.Result, error) {
	if s.Active && pending(s.Live) && pending(s.Inactive) {
		done, err := domainxml.SetOnce(s.Inactive, domainxml.OnceDone)
		return continued(r, done, err, domainxml.Inactive)
	}
	return r.Domain(s.Inactive, domainxml.Inactive)
}

// running decides what becomes of the running guest's document, and whether a reset
// of the guest is to find its disk first.
func running(r domainxml.Rewriter, s libvirt.State) (res domainxml.Result, diskNext bool, err error) {
	if !pending(s.Live) && !untilInstalled(r, s.Live) {
		res, err = r.Domain(s.Live, domainxml.Running)
		return res, false, err
	}
	done, err := domainxml.SetOnce(s.Live, domainxml.OnceDone)
	res, err = continued(r, done, err, domainxml.Running)
	return res, true, err
}

func pending(doc []byte) bool { return domainxml.OnceOf(doc) == domainxml.OncePending }

// untilInstalled reports whether a guest has started from the network for its rule
// to do so while its disk is blank. At a reset the disk may come first: the firmware
// goes on to the network from one that is still blank.
func untilInstalled(r domainxml.Rewriter, live []byte) bool {
	facts, err := domainxml.Inspect(live)
	if err != nil || domainxml.OnceOf(live) != domainxml.OnceNone {
		return false
	}
	rule := r.Policy.For(facts.Domain)
	return rule != nil && rule.Boot == domainxml.BootNetworkFirst && rule.OnlyIf == domainxml.OnlyIfBlankDisk &&
		domainxml.NetworkFirstByRule(live)
}

// continued applies the rules to what a first step made of a document. Where they
// only observe, the first step stays.
func continued(r domainxml.Rewriter, first domainxml.Result, err error, state domainxml.State) (domainxml.Result, error) {
	if err != nil {
		return first, err
	}
	res, err := r.Domain(first.Output, state)
	if err == nil && res.Observed {
		return first, nil
	}
	res.Changes = oneBootOrder(append(first.Changes, res.Changes...))
	return res, err
}

// oneBootOrder makes one change of several to the boot order, none where it comes
// out as it was.
func oneBootOrder(changes []domainxml.Change) []domainxml.Change {
	var out []domainxml.Change
	at := -1
	for _, c := range changes {
		switch order := c.Kind == domainxml.ChangeBootOrder || c.Kind == domainxml.ChangeBootOrderRestored; {
		case order && at >= 0:
			out[at].To = c.To
		case order:
			at = len(out)
			out = append(out, c)
		default:
			out = append(out, c)
		}
	}
	if at >= 0 && out[at].From == out[at].To {
		out = append(out[:at], out[at+1:]...)
	}
	return out
}
