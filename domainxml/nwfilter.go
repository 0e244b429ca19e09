package domainxml

import (
	"slices"
	"strings"

	"libvirt.org/go/libvirtxml"
)

// NWFilter is what is known of one of libvirt's nwfilters.
type NWFilter struct {
	State NWFilterState
	// Variables are those that it takes from an interface's filterref, such as IP, with
	// those of the nwfilters that it refers to.
	Variables []string
}

// NWFilterState says whether libvirt has an nwfilter.
type NWFilterState int

// The states of an nwfilter.
const (
	// NWFilterUnknown: libvirt has not said yet.
	NWFilterUnknown NWFilterState = iota
	// NWFilterMissing: libvirt lacks it, or one that it refers to.
	NWFilterMissing
	// NWFilterDefined: libvirt has it.
	NWFilterDefined
)

// Unresolved returns the variables that libvirt would lack for an interface with these
// parameters, so that its guest would not start. libvirt knows MAC. It learns IP from
// the guest's packets where only that is missing and CTRL_IP_LEARNING is not none
// (virNWFilterDoInstantiate in src/nwfilter/nwfilter_gentech_driver.c).
func (f NWFilter) Unresolved(params []libvirtxml.DomainInterfaceFilterParam) []string {
	given := map[string]string{"MAC": ""}
	for _, p := range params {
		given[p.Name] = p.Value
	}
	missing := slices.DeleteFunc(slices.Clone(f.Variables), func(name string) bool {
		_, ok := given[name]
		return ok
	})
	if slices.Equal(missing, []string{"IP"}) && !strings.EqualFold(given["CTRL_IP_LEARNING"], "none") {
		return nil
	}
	return missing
}
