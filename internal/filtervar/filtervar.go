// Package filtervar finds the variables that an nwfilter takes from the interfaces
// that refer to it:
//
//	names, err := filtervar.Of("clean-traffic-gateway", read)
//
// are GATEWAY_MAC, IP and MAC. libvirt starts no guest with an interface that lacks
// one (virNWFilterDetermineMissingVarsRec in
// src/nwfilter/nwfilter_gentech_driver.c).
package filtervar

import (
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// filter is what this needs of an nwfilter's document.
type filter struct {
	Rules []struct {
		Protocols []struct {
			Attributes []xml.Attr `xml:",any,attr"`
		} `xml:",any"`
	} `xml:"rule"`
	Refs []struct {
		Filter     string `xml:"filter,attr"`
		Parameters []struct {
			Name string `xml:"name,attr"`
		} `xml:"parameter"`
	} `xml:"filterref"`
}

// Of returns the variables of an nwfilter and of those that it refers to, sorted,
// without those that it gives them itself. Variables are named without an index: IP
// is $IP, $IP[@1] or $IP[0]. read returns the document of an nwfilter; its error is
// returned.
func Of(name string, read func(name string) ([]byte, error)) ([]string, error) {
	w := walk{read: read, found: make(map[string]bool)}
	if err := w.visit(name, nil, nil); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(w.found)), nil
}

type walk struct {
	read  func(name string) ([]byte, error)
	found map[string]bool
}

// visit looks at an nwfilter that those of path lead to, which give it the variables
// given.
func (w walk) visit(name string, path, given []string) error {
	if slices.Contains(path, name) {
		return fmt.Errorf("nwfilter %s refers to itself", name)
	}
	path = append(slices.Clip(path), name)
	document, err := w.read(name)
	if err != nil {
		return err
	}
	var f filter
	if err := xml.Unmarshal(document, &f); err != nil {
		return fmt.Errorf("reading nwfilter %s: %w", name, err)
	}
	for _, rule := range f.Rules {
		for _, protocol := range rule.Protocols {
			for _, a := range protocol.Attributes {
				if v := variable(a.Value); v != "" && !slices.Contains(given, v) {
					w.found[v] = true
				}
			}
		}
	}
	for _, ref := range f.Refs {
		gives := slices.Clip(given)
		for _, p := range ref.Parameters {
			gives = append(gives, p.Name)
		}
		if err := w.visit(ref.Filter, path, gives); err != nil {
			return err
		}
	}
	return nil
}

// variable is the one that an attribute names, "" for another value.
func variable(value string) string {
	name, ok := strings.CutPrefix(value, "$")
	if !ok {
		return ""
	}
	name, _, _ = strings.Cut(name, "[")
	return name
}
