package status

import (
	"slices"

	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// State is one word for a domain's status, for counting.
type State string

// The states. A domain has the first that fits.
const (
	Failed      State = "failed"       // it could not be read, or not be brought in sync
	BackingOff  State = "backing-off"  // another program keeps changing it back
	Reverted    State = "reverted"     // no rule applies until it is applied again
	WouldChange State = "would-change" // not in sync: mode observe
	Unmatched   State = "unmatched"    // no rule is for it
	Pending     State = "pending"      // in sync from its next start on
	Warned      State = "warned"       // in sync, but it cannot boot from the network
	InSync      State = "in-sync"
)

// States are all of them.
func States() []State {
	return []State{Failed, BackingOff, Reverted, WouldChange, Unmatched, Pending, Warned, InSync}
}

// StateOf returns the state of a domain.
func StateOf(d reconcile.DomainStatus) State {
	switch {
	case d.Error != "":
		return Failed
	case !d.BackingOffUntil.IsZero():
		return BackingOff
	case d.Reverted:
		return Reverted
	case len(d.Wanted) > 0:
		return WouldChange
	case d.Rule == "":
		return Unmatched
	case len(d.Pending) > 0:
		return Pending
	case slices.ContainsFunc(d.Warnings, countsAsWarned):
		return Warned
	}
	return InSync
}

// countsAsWarned reports whether a domain with the warning counts as warned: with a device of
// its own in front it is as its rule wants it.
func countsAsWarned(w domainxml.Warning) bool { return w.Kind != domainxml.WarningOwnDevice }
