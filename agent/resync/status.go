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
	StateInLine      State = "in line"      // as the policy wants it, patched or not
	StateWouldChange State = "would change" // the same once it is patched: a dry run
	StateMissing     State = "missing"      // not there; patched when it appears
	StateReverted    State = "reverted"     // left alone until it is applied
	StateBusy        State = "busy"         // another program writes it
	StateFailed      State = "failed"       // Error says why
)

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
}
