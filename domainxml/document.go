package domainxml

import "strings"

// Document is a domain document, parsed once: what its domain is, how its guest
// starts, and what rewrites have changed in it. It does not change; what makes
// another document of it returns that in a [Result].
type Document struct {
	view
	domain Domain
	undo   undoRecord
	// undoElement is where the document has the undo record; nil where it has none.
	undoElement *element
	// remarked says that the marks in undo are no longer those of the document.
	remarked *Change
}

// Parse reads a domain document. One that cannot be read is a [SyntaxError].
func Parse(doc []byte) (d *Document, err error) {
	defer errorOnPanic(&err)
	parsed, err := parseDomain(doc)
	if err != nil {
		return nil, err
	}
	d = &Document{view: newView(parsed), domain: newDomain(parsed)}
	d.undoElement = parsed.undoElement()
	d.undo = d.readUndo(d.undoElement)
	return d, nil
}

// Bytes is the document as it was parsed.
func (d *Document) Bytes() []byte { return d.doc.Src }

// Domain is whose document it is.
func (d *Document) Domain() Domain { return d.domain }

// Reverted reports whether no rule applies to the domain, until its mark is taken
// away: see [Document.Applied].
func (d *Document) Reverted() bool { return d.undo.reverted }

// Once says how far the domain is that is to start from the network once.
func (d *Document) Once() Once { return d.undo.once }

// Incomplete reports whether the undo record lacks the UUID of its domain or the name
// of a device, since the client left them to libvirt. Until [Document.Completed] a
// clone is not told from the domain, nor one interface from another in its place.
func (d *Document) Incomplete() bool { return d.undo.incomplete }

// Completed is the document with all of these in its undo record.
func (d *Document) Completed() (res Result, err error) {
	defer unchangedOnPanic(d.Bytes(), &res, &err)
	w := d.begin()
	w.changed(0, Change{Kind: ChangeRecordCompleted})
	w.keep()
	return w.result(), nil
}

// InterfaceAliases are the names that libvirt gives to the interfaces of a running
// guest and QEMU to their devices: net0, net1, …
func (d *Document) InterfaceAliases() []string {
	var aliases []string
	for _, n := range d.interfaces {
		if name := d.doc.Attr(n.element.Child("alias"), "name"); name != "" {
			aliases = append(aliases, name)
		}
	}
	return aliases
}

// NetworkFirstByRule reports whether the network is first because a rewrite has put
// it there.
func (d *Document) NetworkFirstByRule() bool {
	boot := d.undo.of(groupBoot)
	return len(boot) > 0 && d.start().BootsFrom == BootsFromNetwork && d.stands(boot)
}

// WithUpdates is a running guest's document as the updates leave it.
func (d *Document) WithUpdates(updates []InterfaceUpdate) []byte {
	edits := d.newEdits()
	to := map[string]string{}
	for _, u := range updates {
		to[u.Interface] = u.XML
	}
	for _, n := range d.interfaces {
		if xml, updated := to[n.label]; updated {
			edits.Replace(n.element.Start, n.element.End, xml)
		}
	}
	return edits.Apply()
}

// libvirtUUID is a UUID as libvirt writes it. It reads others with capitals, and
// with hyphens and spaces anywhere or nowhere (virUUIDParse in
// src/util/viruuid.c).
func libvirtUUID(s string) string {
	digits := strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(s))
	if len(digits) != 32 {
		return s
	}
	return strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")
}
