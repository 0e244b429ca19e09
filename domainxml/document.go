package domainxml

import "strings"

// Document is a domain document, parsed once: its domain, how its guest starts, and its
// undo record. It is immutable; methods that change a document return the new one in a
// [Result].
type Document struct {
	view
	domain Domain
	undo   undoRecord
	// undoElement is the undo record's element; nil where there is none.
	undoElement *element
	// remarked is the change from the document's marks to those in undo; nil where they
	// are the same.
	remarked *Change
	// applied: the rule's boot order goes over one that a client has chosen.
	applied bool
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

// Domain is the document's domain.
func (d *Document) Domain() Domain { return d.domain }

// HasRecord reports whether there is an undo record: the domain was rewritten or marked.
func (d *Document) HasRecord() bool { return d.undoElement != nil }

// Reverted reports whether the domain is marked as reverted: no rule applies to it. See
// [Document.Applied].
func (d *Document) Reverted() bool { return d.undo.reverted }

// Once is the domain's mark of virt-netboot once.
func (d *Document) Once() Once { return d.undo.once }

// Incomplete reports whether the undo record lacks the UUID of its domain or the name
// of a device, since the client left them to libvirt. Without them, a clone looks like
// the domain, and an interface like another one in its place.
func (d *Document) Incomplete() bool { return d.undo.incomplete }

// Completed is the document with the UUID and all names in its undo record.
func (d *Document) Completed() (res Result, err error) {
	defer unchangedOnPanic(d.Bytes(), &res, &err)
	w := d.begin()
	w.changed(0, Change{Kind: ChangeRecordCompleted})
	w.writeRecord()
	return w.result(), nil
}

// InterfaceAliases are the names of a running guest's interfaces, in libvirt and in
// QEMU: net0, net1, …
func (d *Document) InterfaceAliases() []string {
	var aliases []string
	for _, n := range d.interfaces {
		if name := d.doc.Attr(n.element.Child("alias"), "name"); name != "" {
			aliases = append(aliases, name)
		}
	}
	return aliases
}

// NetworkFirstByRule reports whether a rewrite has put the network first, and it still
// is.
func (d *Document) NetworkFirstByRule() bool {
	boot := d.undo.of(groupBoot)
	return len(boot) > 0 && d.start().BootsFrom == BootsFromNetwork && d.stands(boot)
}

// WithUpdates is a running guest's document after the updates.
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

// libvirtUUID is a UUID in libvirt's form of lower case and hyphens. libvirt also reads
// capitals, and hyphens and spaces anywhere (virUUIDParse in src/util/viruuid.c).
func libvirtUUID(s string) string {
	digits := strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(s, "-", ""), " ", ""))
	if len(digits) != 32 {
		return s
	}
	return strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")
}
