package libvirt

import (
	"context"
	"encoding/hex"
	"fmt"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/virt-netboot/virt-netboot/agent/libvirt/domain"
)

// Domain and State are what libvirt has of a domain; see package domain.
type (
	Domain = domain.Domain
	State  = domain.State
)

// Domains lists all domains.
func (c *Conn) Domains(ctx context.Context) ([]Domain, error) {
	var all, persistent []golibvirt.Domain
	err := c.call(ctx, "listing the domains", func() (err error) {
		if all, _, err = c.rpc.ConnectListAllDomains(1, 0); err != nil {
			return err
		}
		persistent, _, err = c.rpc.ConnectListAllDomains(1, golibvirt.ConnectListDomainsPersistent)
		return err
	})
	if err != nil {
		return nil, err
	}
	defined := make(map[golibvirt.UUID]bool, len(persistent))
	for _, d := range persistent {
		defined[d.UUID] = true
	}
	domains := make([]Domain, len(all))
	for i, d := range all {
		domains[i] = newDomain(d, defined[d.UUID])
	}
	return domains, nil
}

func newDomain(d golibvirt.Domain, persistent bool) Domain {
	return Domain{Name: d.Name, UUID: formatUUID(d.UUID), Active: d.ID >= 0, Persistent: persistent}
}

// Lookup finds a domain by its UUID or its name. IsNotFound recognises the error where
// there is none.
func (c *Conn) Lookup(ctx context.Context, nameOrUUID string) (Domain, error) {
	found, err := c.lookup(ctx, nameOrUUID)
	if err != nil {
		return Domain{}, err
	}
	return c.describe(ctx, found)
}

func (c *Conn) lookup(ctx context.Context, nameOrUUID string) (found golibvirt.Domain, err error) {
	err = c.call(ctx, "looking up domain "+nameOrUUID, func() error {
		if uuid, ok := parseUUID(nameOrUUID); ok {
			if found, err = c.rpc.DomainLookupByUUID(uuid); err == nil || !IsNotFound(err) {
				return err
			}
		}
		found, err = c.rpc.DomainLookupByName(nameOrUUID)
		return err
	})
	return found, err
}

func (c *Conn) describe(ctx context.Context, d golibvirt.Domain) (Domain, error) {
	var persistent int32
	err := c.call(ctx, "asking whether domain "+d.Name+" is persistent", func() (err error) {
		persistent, err = c.rpc.DomainIsPersistent(d)
		return err
	})
	return newDomain(d, persistent != 0), err
}

// Read returns a domain with its documents, at least one. IsNotFound recognises the error
// where the domain goes meanwhile. It reads one after the other, and the
// definition last, so that it is as fresh as can be. Where the domain starts or stops
// meanwhile, one is from before and one from after.
func (c *Conn) Read(ctx context.Context, nameOrUUID string) (State, error) {
	found, err := c.lookup(ctx, nameOrUUID)
	if err != nil {
		return State{}, err
	}
	var live []byte
	if found.ID >= 0 {
		if live, err = c.document(ctx, found, 0); err != nil {
			return State{}, err
		}
	}
	d, err := c.describe(ctx, found)
	switch {
	case err != nil:
		return State{Domain: d, Live: live}, err
	case !d.Persistent && live == nil:
		return State{}, fmt.Errorf("reading domain %s: %w", d.Name, errVanished)
	case !d.Persistent:
		return State{Domain: d, Live: live}, nil
	}
	inactive, err := c.document(ctx, found, golibvirt.DomainXMLInactive)
	return State{Domain: d, Inactive: inactive, Live: live}, err
}

// ReadListed is Read for a domain as Domains has just listed it, with a third of the
// calls. Where it has started, stopped or lost its definition since, there is an event.
func (c *Conn) ReadListed(ctx context.Context, d Domain) (s State, err error) {
	s.Domain = d
	if d.Active {
		if s.Live, err = c.document(ctx, handle(d), 0); err != nil {
			return State{}, err
		}
	}
	if d.Persistent {
		if s.Inactive, err = c.document(ctx, handle(d), golibvirt.DomainXMLInactive); err != nil {
			return State{}, err
		}
	}
	return s, nil
}

// errVanished is for an answer that is neither a document nor an error: libvirt sends an error
// without a number where a domain goes while it is read, and go-libvirt drops that.
var errVanished = golibvirt.Error{Code: uint32(golibvirt.ErrNoDomain), Message: "the domain has gone"}

func (c *Conn) document(ctx context.Context, d golibvirt.Domain, flags golibvirt.DomainXMLFlags) ([]byte, error) {
	var xml string
	err := c.call(ctx, "reading domain "+d.Name, func() (err error) {
		xml, err = c.rpc.DomainGetXMLDesc(d, flags|golibvirt.DomainXMLSecure)
		if err == nil && xml == "" {
			return errVanished
		}
		return err
	})
	return []byte(xml), err
}

func handle(d Domain) golibvirt.Domain {
	uuid, _ := parseUUID(d.UUID)
	return golibvirt.Domain{Name: d.Name, UUID: uuid, ID: -1}
}

func formatUUID(u golibvirt.UUID) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// parseUUID reads the form with its four dashes.
func parseUUID(s string) (u golibvirt.UUID, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, false
	}
	n, err := hex.Decode(u[:], []byte(s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:]))
	return u, err == nil && n == len(u)
}
