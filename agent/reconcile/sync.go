package reconcile

import (
	"context"
	"errors"
	"fmt"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/reconcile/decide"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// Libvirt is what a Syncer needs of libvirt: a *libvirt.Conn.
type Libvirt interface {
	Read(ctx context.Context, nameOrUUID string) (libvirt.State, error)
	ReadListed(ctx context.Context, d libvirt.Domain) (libvirt.State, error)
	Define(ctx context.Context, d libvirt.Domain, document []byte) error
	UpdateDevice(ctx context.Context, d libvirt.Domain, device string) error
	BootLast(ctx context.Context, d libvirt.Domain, device string) error
	SetMetadata(ctx context.Context, d libvirt.Domain, namespace, key, element string) error
}

// maxRounds is how often a domain is inspected in a row while another program keeps
// changing it.
const maxRounds = 20

// Syncer brings one domain after the other in sync. It never starts, stops or
// undefines one, and never defines one that is transient: that would make it
// persistent.
type Syncer struct {
	Libvirt Libvirt
	// Decide says what is to become of a domain.
	Decide func(libvirt.State) decide.Decision
	// May is asked before a domain is changed; nil allows everything.
	May func(decide.Decision) bool
	// Listed is the domain as libvirt has just listed it, which saves the first
	// round some calls. It may be nil.
	Listed *libvirt.Domain
	// Changed is called after every change that libvirt has carried out. It may be
	// nil.
	Changed func(decide.Decision)
}

// Sync inspects a domain, changes it, and repeats both until there is nothing to do.
// libvirt has no call that changes a definition only if it is still the one that was
// read. So Sync reads the domain again just before the change, and starts over where
// another program has changed it in between. A change that comes later is found by
// the next round.
//
// The decision is the last one. It says what remains to be done where May did not
// allow it, or where there is an error.
func (s Syncer) Sync(ctx context.Context, nameOrUUID string) (decide.Decision, error) {
	var d decide.Decision
	for round := range maxRounds {
		var err error
		if round == 0 && s.Listed != nil {
			d, err = s.inspectListed(ctx)
		} else {
			d, err = s.inspect(ctx, nameOrUUID)
		}
		if err != nil || d.InSync() {
			return d, err
		}
		if s.May != nil && !s.May(d) {
			return d, nil
		}
		again, err := s.inspect(ctx, nameOrUUID)
		if err != nil {
			return d, err
		}
		if !d.SameActions(again) {
			continue
		}
		if err := s.act(ctx, d); err != nil {
			return d, err
		}
		if s.Changed != nil {
			s.Changed(d)
		}
	}
	return d, fmt.Errorf("domain %s: another program changes it all the time; it is inspected again later", d.Name)
}

func (s Syncer) inspect(ctx context.Context, nameOrUUID string) (decide.Decision, error) {
	state, err := s.Libvirt.Read(ctx, nameOrUUID)
	if err != nil {
		return decide.Decision{}, err
	}
	return s.Decide(state), nil
}

func (s Syncer) inspectListed(ctx context.Context) (decide.Decision, error) {
	state, err := s.Libvirt.ReadListed(ctx, *s.Listed)
	if err != nil {
		return decide.Decision{}, err
	}
	return s.Decide(state), nil
}

// act changes the definition first: once it is marked as reverted, no other agent
// takes the running guest's filters off again.
func (s Syncer) act(ctx context.Context, d decide.Decision) error {
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
func (s Syncer) update(ctx context.Context, d decide.Decision) error {
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

// updateDevices writes the undo record, and then changes the interfaces.
func (s Syncer) updateDevices(ctx context.Context, d decide.Decision) error {
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
