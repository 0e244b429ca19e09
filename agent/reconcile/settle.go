package reconcile

import (
	"context"
	"errors"
	"fmt"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// Libvirt is what a settler needs of libvirt: a *libvirt.Conn.
type Libvirt interface {
	Read(ctx context.Context, nameOrUUID string) (libvirt.State, error)
	ReadListed(ctx context.Context, d libvirt.Domain) (libvirt.State, error)
	Define(ctx context.Context, d libvirt.Domain, document []byte) error
	UpdateDevice(ctx context.Context, d libvirt.Domain, device string) error
	BootLast(ctx context.Context, d libvirt.Domain, device string) error
	SetMetadata(ctx context.Context, d libvirt.Domain, namespace, key, element string) error
}

// maxRounds is how often a domain is looked at in a row while somebody else
// changes it all the time.
const maxRounds = 20

// Settler brings one domain after the other in line. It never starts, stops or
// undefines one, and never defines one that is transient: that would make it
// persistent.
type Settler struct {
	Libvirt Libvirt
	// Decide says what is to become of a domain.
	Decide func(libvirt.State) Decision
	// May is asked before a domain is changed; nil allows everything.
	May func(Decision) bool
	// Listed is the domain as libvirt has just listed it, so that the first look need
	// not ask what is known; nil where it is not.
	Listed *libvirt.Domain
	// Changed hears of every change that libvirt has carried out; nil for nobody.
	Changed func(Decision)
}

// Settle looks at a domain, changes it, and looks again until there is nothing to
// do. libvirt has no call that changes a definition only if it is still the one
// that was read. So the domain is read again just before: where somebody has
// changed it in between, it all starts over. What somebody changes after that is
// seen when it is looked at again.
//
// The decision is the last one, with what it says that would still have to be
// done where May did not allow it or an error came between.
func (s Settler) Settle(ctx context.Context, nameOrUUID string) (Decision, error) {
	var d Decision
	for round := range maxRounds {
		var err error
		if round == 0 && s.Listed != nil {
			d, err = s.lookAtListed(ctx)
		} else {
			d, err = s.look(ctx, nameOrUUID)
		}
		if err != nil || d.InLine() {
			return d, err
		}
		if s.May != nil && !s.May(d) {
			return d, nil
		}
		again, err := s.look(ctx, nameOrUUID)
		if err != nil {
			return d, err
		}
		if !d.sameActions(again) {
			continue
		}
		if err := s.act(ctx, d); err != nil {
			return d, err
		}
		if s.Changed != nil {
			s.Changed(d)
		}
	}
	return d, fmt.Errorf("domain %s: somebody changes it all the time; it is looked at again later", d.Name)
}

func (s Settler) look(ctx context.Context, nameOrUUID string) (Decision, error) {
	state, err := s.Libvirt.Read(ctx, nameOrUUID)
	if err != nil {
		return Decision{}, err
	}
	return s.Decide(state), nil
}

func (s Settler) lookAtListed(ctx context.Context) (Decision, error) {
	state, err := s.Libvirt.ReadListed(ctx, *s.Listed)
	if err != nil {
		return Decision{}, err
	}
	return s.Decide(state), nil
}

// act changes the definition first: with a mark in it, nobody takes the filters
// of the running guest off again.
func (s Settler) act(ctx context.Context, d Decision) error {
	var define, update error
	if d.Define != nil {
		define = s.Libvirt.Define(ctx, d.Domain, d.Define)
	}
	if !errors.Is(define, libvirt.ErrClosed) {
		update = s.update(ctx, d)
	}
	return errors.Join(define, update)
}

// update changes the running guest.
func (s Settler) update(ctx context.Context, d Decision) error {
	var order error
	for _, device := range d.BootLast {
		if err := s.Libvirt.BootLast(ctx, d.Domain, device); err != nil {
			order = errors.Join(order, fmt.Errorf("a reboot from inside the guest finds the network first again: %w", err))
		}
	}
	if errors.Is(order, libvirt.ErrClosed) {
		return order
	}
	return errors.Join(order, s.updateDevices(ctx, d))
}

// updateDevices changes interfaces. What that takes away is kept first.
func (s Settler) updateDevices(ctx context.Context, d Decision) error {
	if d.Record != nil {
		err := s.Libvirt.SetMetadata(ctx, d.Domain, domainxml.RecordNamespace, domainxml.RecordKey, *d.Record)
		if err != nil {
			return err
		}
	}
	for _, u := range d.Updates {
		if err := s.Libvirt.UpdateDevice(ctx, d.Domain, u.XML); err != nil {
			return fmt.Errorf("interface %s: %w", u.Interface, err)
		}
	}
	return nil
}
