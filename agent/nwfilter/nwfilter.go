// Package nwfilter asks libvirt for the nwfilters that rules name, and defines those
// that virt-netboot ships:
//
//	there, err := nwfilter.Find(ctx, conn, policy.Filters(), false)
//	…
//	rewriter.NWFilter = there.Get
//
// A guest does not start with an interface that refers to an nwfilter which libvirt
// lacks, or that lacks a variable of its nwfilter.
package nwfilter

import (
	"context"
	"errors"
	"fmt"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/filtervar"
	shipped "github.com/virt-netboot/virt-netboot/packaging/nwfilter"
)

// Reader looks up nwfilters: a *libvirt.Conn.
type Reader interface {
	// FilterXML returns the document of an nwfilter, "" where there is none of that
	// name.
	FilterXML(ctx context.Context, name string) (string, error)
}

// Libvirt is what Find needs of libvirt: a *libvirt.Conn.
type Libvirt interface {
	Reader
	DefineFilter(ctx context.Context, xml string) error
}

// Set is what libvirt said of nwfilters, by name.
type Set map[string]domainxml.NWFilter

// Get returns what libvirt said of an nwfilter: for one that is not in the set,
// NWFilterUnknown.
func (s Set) Get(name string) domainxml.NWFilter { return s[name] }

// errMissing says that libvirt has no nwfilter of that name.
var errMissing = errors.New("libvirt has no such nwfilter")

// Find asks for nwfilters. Where libvirt lacks one that virt-netboot ships, Find defines
// it; with observe it only takes it for defined. It never changes one that is there: it
// may be the operator's own.
func Find(ctx context.Context, lv Libvirt, names []string, observe bool) (Set, error) {
	there := Set{}
	for _, name := range names {
		ours, err := shipped.Shipped(name)
		if err != nil {
			return nil, err
		}
		reader := Reader(lv)
		if observe {
			reader = withOurs{lv, ours}
		} else if err := define(ctx, lv, ours); err != nil {
			return nil, err
		}
		if there[name], err = Inspect(ctx, reader, name); err != nil {
			return nil, err
		}
	}
	return there, nil
}

// Inspect looks up an nwfilter and those that it refers to.
func Inspect(ctx context.Context, lv Reader, name string) (domainxml.NWFilter, error) {
	variables, err := filtervar.Of(name, func(name string) ([]byte, error) {
		document, err := lv.FilterXML(ctx, name)
		if err == nil && document == "" {
			err = errMissing
		}
		return []byte(document), err
	})
	switch {
	case errors.Is(err, errMissing):
		return domainxml.NWFilter{State: domainxml.NWFilterMissing}, nil
	case err != nil:
		return domainxml.NWFilter{}, err
	}
	return domainxml.NWFilter{State: domainxml.NWFilterDefined, Variables: variables}, nil
}

// withOurs is libvirt as if it had the nwfilters of ours.
type withOurs struct {
	Reader
	ours []shipped.Filter
}

func (w withOurs) FilterXML(ctx context.Context, name string) (string, error) {
	document, err := w.Reader.FilterXML(ctx, name)
	if err != nil || document != "" {
		return document, err
	}
	for _, f := range w.ours {
		if f.Name == name {
			return f.XML, nil
		}
	}
	return "", nil
}

// define defines the nwfilters that libvirt lacks.
func define(ctx context.Context, lv Libvirt, filters []shipped.Filter) error {
	for _, f := range filters {
		document, err := lv.FilterXML(ctx, f.Name)
		if err != nil {
			return err
		}
		if document != "" {
			continue
		}
		if err := lv.DefineFilter(ctx, f.XML); err != nil {
			return fmt.Errorf("nwfilter %s: %w", f.Name, err)
		}
	}
	return nil
}
