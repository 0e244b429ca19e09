package domainxml

import (
	"bytes"
	"fmt"
	"slices"
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

// InterfaceUpdates are the interfaces of a running domain's document that have
// another filterref in the same document as a rewrite or a revert left it. They
// differ in nothing else: libvirt refuses most other changes while a guest runs.
func InterfaceUpdates(live, wanted []byte) ([]InterfaceUpdate, error) {
	before, err := parseDomain(live)
	if err != nil {
		return nil, err
	}
	after, err := parseDomain(wanted)
	if err != nil {
		return nil, err
	}
	is, want := before.root.child("devices").all("interface"), after.root.child("devices").all("interface")
	if len(is) != len(want) {
		return nil, fmt.Errorf("%d interfaces became %d", len(is), len(want))
	}
	var updates []InterfaceUpdate
	for i, el := range is {
		part := edits{src: before.src[:el.end]}
		part.setFilterref(before, el, after.sources(want[i].all("filterref")))
		if len(part.splices) == 0 {
			continue
		}
		updates = append(updates, InterfaceUpdate{
			Interface: newNIC(before, el, i+1).label,
			XML:       string(part.apply()[el.start:]),
		})
	}
	return updates, nil
}

// WithUpdates is a running domain's document as the updates leave it.
func WithUpdates(live []byte, updates []InterfaceUpdate) ([]byte, error) {
	parsed, err := parseDomain(live)
	if err != nil {
		return nil, err
	}
	e := &edits{src: live}
	for i, el := range parsed.root.child("devices").all("interface") {
		for _, u := range updates {
			if u.Interface == newNIC(parsed, el, i+1).label {
				e.add(el.start, el.end, u.XML)
			}
		}
	}
	return e.apply(), nil
}

// setFilterref gives an interface the filterrefs that are wanted, none or one.
func (e *edits) setFilterref(d *document, nic *element, want []string) {
	is := nic.all("filterref")
	if slices.Equal(d.sources(is), want) {
		return
	}
	for _, el := range is {
		e.remove(el)
	}
	for _, filterref := range want {
		e.appendChild(nic, filterref)
	}
}

// Pending are the changes between how a running guest booted and its definition:
// they wait for its next start.
func Pending(live, definition []byte) ([]Change, error) {
	now, err := parseDomain(live)
	if err != nil {
		return nil, err
	}
	next, err := parseDomain(definition)
	if err != nil {
		return nil, err
	}
	from, to := newView(now), newView(next)
	var changes []Change
	if from.bootOrder() != to.bootOrder() {
		changes = append(changes, Change{Kind: ChangeBootOrder, From: from.bootOrder(), To: to.bootOrder()})
	}
	switch {
	case from.os.Kernel != "" && to.os.Kernel == "":
		changes = append(changes, Change{Kind: ChangeKernelDropped, From: from.os.Kernel})
	case from.os.Kernel == "" && to.os.Kernel != "":
		changes = append(changes, Change{Kind: ChangeKernelRestored, To: to.os.Kernel})
	case from.os.Cmdline != "" && to.os.Cmdline == "":
		changes = append(changes, Change{Kind: ChangeCmdlineRemoved, From: from.os.Cmdline})
	case from.os.Cmdline == "" && to.os.Cmdline != "":
		changes = append(changes, Change{Kind: ChangeCmdlineRestored, To: to.os.Cmdline})
	}
	return changes, nil
}
