// Package nwfilter finds out which of the nwfilters that rules name libvirt has, and
// defines those that virt-netboot ships:
//
//	there, err := nwfilter.Find(ctx, conn, policy.Filters(), false)
//	…
//	rewriter.HasFilter = there.Has
//
// A guest with an interface that refers to an nwfilter which libvirt lacks does not
// start.
package nwfilter

import (
	"context"
	"fmt"

	shipped "github.com/virt-netboot/virt-netboot/packaging/nwfilter"
)

// Libvirt is what this needs of libvirt: a *libvirt.Conn.
type Libvirt interface {
	HasFilter(ctx context.Context, name string) (bool, error)
	DefineFilter(ctx context.Context, xml string) error
}

// Set is a set of names of nwfilters.
type Set map[string]bool

// Has reports whether the set has the name.
func (s Set) Has(name string) bool { return s[name] }

// Find returns those of the nwfilters that libvirt has. One that virt-netboot ships is
// defined where libvirt lacks it; with observe it is not, and counts as one that
// libvirt has. One that is there is never changed: it may be the operator's own.
func Find(ctx context.Context, lv Libvirt, names []string, observe bool) (Set, error) {
	there := Set{}
	for _, name := range names {
		ours, err := shipped.Shipped(name)
		switch {
		case err != nil:
			return nil, err
		case len(ours) == 0:
			there[name], err = lv.HasFilter(ctx, name)
		case !observe:
			err = define(ctx, lv, ours)
			there[name] = err == nil
		default:
			there[name] = true
		}
		if err != nil {
			return nil, err
		}
	}
	return there, nil
}

// define defines those that libvirt lacks.
func define(ctx context.Context, lv Libvirt, filters []shipped.Filter) error {
	for _, f := range filters {
		has, err := lv.HasFilter(ctx, f.Name)
		if err != nil {
			return err
		}
		if has {
			continue
		}
		if err := lv.DefineFilter(ctx, f.XML); err != nil {
			return fmt.Errorf("nwfilter %s: %w", f.Name, err)
		}
	}
	return nil
}
