package status

import "github.com/virt-netboot/virt-netboot/agent/reconcile"

// State is the one word for how a domain is, for counting.
type State string

// The states, a domain having the first that fits.
const (
	Failed      State = "failed"       // it could not be read, or not be brought in line
	LeftAlone   State = "left-alone"   // another program changes it back again and again
	Reverted    State = "reverted"     // no rule applies until it is applied again
	WouldChange State = "would-change" // not in line: mode observe
	Unmatched   State = "unmatched"    // no rule is for it
	Pending     State = "pending"      // in line from its next start on
	Warned      State = "warned"       // in line, but it cannot boot from the network
	InLine      State = "in-line"
)

// States are all of them.
func States() []State {
	return []State{Failed, LeftAlone, Reverted, WouldChange, Unmatched, Pending, Warned, InLine}
}

// StateOf returns the state of a domain.
func StateOf(d reconcile.DomainStatus) State {
	switch {
	case d.Error != "":
		return Failed
	case !d.LeftAloneUntil.IsZero():
		return LeftAlone
	case d.Reverted:
		return Reverted
	case len(d.Wanted) > 0:
		return WouldChange
	case d.Rule == "":
		return Unmatched
	case len(d.Pending) > 0:
		return Pending
	case len(d.Warnings) > 0:
		return Warned
	}
	return InLine
}
