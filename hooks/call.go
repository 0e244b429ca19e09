package hooks

import (
	"errors"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// Operation is what libvirt is doing with a domain.
type Operation string

// The operations that the hook handles. libvirt has more (virHookQemuOp in
// src/util/virhook.c), and later versions may have others.
const (
	Prepare Operation = "prepare" // before a guest starts, also an incoming one
	Migrate Operation = "migrate" // a guest comes in from another node
	Restore Operation = "restore" // a guest is loaded from its saved image
)

// state says whether the operation's guest already runs. ok is false for an operation
// that the hook does not handle.
func (o Operation) state() (state domainxml.State, ok bool) {
	switch o {
	case Prepare:
		return domainxml.Inactive, true
	case Migrate, Restore:
		return domainxml.Active, true
	}
	return 0, false
}

// Call is one call of the hook.
type Call struct {
	Domain    string // its name
	Operation Operation
}

// Handled reports whether the hook handles the call's operation.
func (c Call) Handled() bool {
	_, ok := c.Operation.state()
	return ok
}

// ErrArguments is what ParseCall returns for arguments that cannot be libvirt's.
var ErrArguments = errors.New("libvirt calls its hook with four arguments: domain, operation, sub-operation, extra")

// ParseCall reads the arguments after the program's name. Of libvirt's four only the
// first two count. Should libvirt add to them one day, or leave the others away, the
// call stays the same.
func ParseCall(args []string) (Call, error) {
	if len(args) < 2 {
		return Call{}, ErrArguments
	}
	return Call{Domain: args[0], Operation: Operation(args[1])}, nil
}
