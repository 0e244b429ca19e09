// Package nwfilter has the nwfilters that virt-netboot ships.
package nwfilter

import (
	"embed"
	"fmt"
)

// Relaxed lets DHCP through and forbids MAC and ARP spoofing.
const Relaxed = "virt-netboot-relaxed"

//go:embed *.xml
var files embed.FS

// Filter is an nwfilter.
type Filter struct{ Name, XML string }

// Shipped returns an nwfilter of ours by its name, after those that it refers to; none
// for the name of another's.
func Shipped(name string) ([]Filter, error) {
	if name != Relaxed {
		return nil, nil
	}
	var all []Filter
	for _, name := range []string{Relaxed + "-rules", Relaxed} {
		xml, err := files.ReadFile(name + ".xml")
		if err != nil {
			return nil, fmt.Errorf("reading the shipped nwfilter %s: %w", name, err)
		}
		all = append(all, Filter{name, string(xml)})
	}
	return all, nil
}
