package domainxml

import (
	"bytes"
	"fmt"
	"strings"
)

// Record returns the element that virt-netboot keeps in a domain's metadata in
// the form that virDomainSetMetadata takes: without a namespace, which libvirt
// puts into it (virXMLInjectNamespace in src/util/virxml.c). It is "" for a
// domain that has none.
func Record(doc []byte) (string, error) {
	parsed, err := parseDomain(doc)
	if err != nil {
		return "", err
	}
	el, _ := parsed.recordOf()
	if el == nil {
		return "", nil
	}
	return parsed.withoutPrefix(el), nil
}

// withoutPrefix is an element as it is written, but without the record's prefix
// and the declaration of it.
func (d *document) withoutPrefix(e *element) string {
	part := edits{src: d.src[:e.end]}
	d.dropPrefix(&part, e)
	return string(part.apply()[e.start:])
}

func (d *document) dropPrefix(part *edits, e *element) {
	if d.namespace(e) == RecordNamespace {
		if n := len(e.name) - len(e.local()); n > 0 {
			part.add(e.start+1, e.start+1+n, "")
			if hasPrefix(d.src[e.bodyEnd:e.end], endTagOpen) {
				part.add(e.bodyEnd+2, e.bodyEnd+2+n, "")
			}
		}
	}
	for _, a := range e.attrs {
		if strings.HasPrefix(a.name, "xmlns") && d.attr(e, a.name) == RecordNamespace {
			start := bytes.LastIndex(d.src[:a.start], []byte(a.name))
			part.add(start-1, a.end+1, "")
		}
	}
	for _, c := range e.children {
		d.dropPrefix(part, c)
	}
}

// InterfaceUpdate is an interface of a running domain as it is to be, for
// virDomainUpdateDeviceFlags.
type InterfaceUpdate struct {
	Interface string // as in Change
	XML       string // the <interface>
}

// InterfaceUpdates are the interfaces that differ between a domain's live
// document and the same document as a rewrite or a revert left it.
func InterfaceUpdates(live, wanted []byte) ([]InterfaceUpdate, error) {
	before, err := parseDomain(live)
	if err != nil {
		return nil, err
	}
	after, err := parseDomain(wanted)
	if err != nil {
		return nil, err
	}
	was, is := before.root.child("devices").all("interface"), after.root.child("devices").all("interface")
	if len(was) != len(is) {
		return nil, fmt.Errorf("%d interfaces became %d", len(was), len(is))
	}
	var updates []InterfaceUpdate
	for i, el := range is {
		if xml := after.source(el); xml != before.source(was[i]) {
			updates = append(updates, InterfaceUpdate{Interface: newNIC(after, el, i+1).label, XML: xml})
		}
	}
	return updates, nil
}
