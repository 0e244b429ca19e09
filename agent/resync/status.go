package resync

import (
	"time"

	"github.com/virt-netboot/virt-netboot/agent/resync/edit"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// State is what is known of a file.
type State string

// The states of a file.
const (
	StateInSync      State = "in sync"      // as the policy wants it, patched or not
	StateWouldChange State = "would change" // the same once it is patched: a dry run
	StateMissing     State = "missing"      // not there; patched when it appears
	StateReverted    State = "reverted"     // left alone until it is applied
	StateBusy        State = "busy"         // another program writes it
	StateFailed      State = "failed"       // Error says why
)

// States are all of them.
func States() []State {
	return []State{StateInSync, StateWouldChange, StateMissing, StateReverted, StateBusy, StateFailed}
}

// Status is one file as `virt-netboot status` shows it.
type Status struct {
	Path  string          `json:"path"`
	Kind  config.FileKind `json:"kind"`
	State State           `json:"state"`
	// Stock is the path of the stock file that is kept; "" while the file has
	// never been changed.
	Stock string `json:"stock,omitempty"`
	// Changed is when the file was last written by this process; zero before.
	Changed time.Time `json:"changed,omitzero"`
	// Error says why the file is not as it should be.
	Error string `json:"error,omitempty"`
	// Notes are facts about the file, such as which instances it does not reach.
	Notes []edit.Note `json:"notes,omitempty"`
	// Todo is what an operator must do, once after Changed, for the change to take
	// effect; whether it has been done is not known.
	Todo string `json:"todo,omitempty"`

	// Writes and Failures count how often this process has patched the file and
	// could not; InSync is when it last found or put it in sync, zero before.
	Writes   int       `json:"writes"`
	Failures int       `json:"failures"`
	InSync   time.Time `json:"in_sync,omitzero"`
}

// count adds what came of a look to what came of those before.
func (s *Status) count(before Status, out outcome, now time.Time) {
	s.Writes, s.Failures, s.InSync = before.Writes, before.Failures, before.InSync
	if out.wrote {
		s.Writes++
	}
	switch s.State {
	case StateFailed:
		s.Failures++
	case StateInSync:
		s.InSync = now
	}
}
