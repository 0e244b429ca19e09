package domainxml

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/virt-netboot/virt-netboot/domainxml/internal/xmltree"
)

// The undo record is an element in a domain's <metadata>:
//
//	<netboot:domain xmlns:netboot="urn:virt-netboot:domain:1.0" uuid="7e1b2a3c-…" metadata="new">
//	  <netboot:boot>
//	    <netboot:was><boot dev='hd'/></netboot:was>
//	    <netboot:wrote><boot dev='network'/><boot dev='hd'/></netboot:wrote>
//	  </netboot:boot>
//	  <netboot:order device="disk" bus="virtio" name="vda" position="1">
//	    <netboot:was><boot order='1'/></netboot:was><netboot:wrote><boot order='2'/></netboot:wrote>
//	  </netboot:order>
//	  <netboot:kernel><netboot:was><kernel>…</kernel></netboot:was><netboot:wrote/></netboot:kernel>
//	  <netboot:filterref device="interface" name="fa:16:3e:50:43:cd" position="1">
//	    <netboot:was><filterref …/></netboot:was><netboot:wrote/>
//	  </netboot:filterref>
//	  <netboot:rng><netboot:was/><netboot:wrote><rng …/></netboot:wrote></netboot:rng>
//	</netboot:domain>
//
// The marks are reverted="yes", with which no rule applies to the domain, and
// once="pending" or "done". metadata="new" says that virt-netboot has added the
// <metadata> around it, too.
//
// libvirt has one element for each namespace and does not change it. In one that
// virDomainSetMetadata has set, the elements inside have the prefix, too.
//
// RecordNamespace and RecordKey are what virDomainSetMetadata takes as its uri
// and its key.
const (
	RecordNamespace = "urn:virt-netboot:domain:1.0"
	RecordKey       = "netboot"
)

// undoElement is the record's element in a domain's document; nil where there is none.
func (d *tree) undoElement() *element {
	metadata := d.Root.Child("metadata")
	if metadata == nil {
		return nil
	}
	for _, e := range metadata.Children {
		if d.Namespace(e) == RecordNamespace {
			return e
		}
	}
	return nil
}

// readUndo reads the record and finds its devices.
func (d *Document) readUndo(e *element) undoRecord {
	if e == nil {
		return undoRecord{}
	}
	u := undoRecord{
		uuid:        d.doc.Attr(e, "uuid"),
		reverted:    d.doc.Attr(e, "reverted") == "yes",
		newMetadata: d.doc.Attr(e, "metadata") == "new",
	}
	if once := Once(d.doc.Attr(e, "once")); once == OncePending || once == OnceDone {
		u.once = once
	}
	for _, c := range e.Children {
		if item, ok := d.readItem(c); ok {
			u.items = append(u.items, item)
		}
	}
	own := libvirtUUID(d.domain.UUID)
	clone := u.uuid != "" && own != "" && u.uuid != own
	if clone {
		u.reverted, u.once = false, OnceNone
	}
	named := d.locate(u.items, clone)
	u.incomplete = len(u.items) > 0 && (named || own != "" && u.uuid != own)
	if old := d.readOldItems(e); len(old) > 0 {
		u.items, u.incomplete = append(u.items, old...), false
	}
	return u
}

func (d *Document) readItem(e *element) (item undoItem, ok bool) {
	item.thing = undoThing(e.Local())
	item.device = deviceID{kind: d.doc.Attr(e, "device"), bus: d.doc.Attr(e, "bus"), name: d.doc.Attr(e, "name")}
	item.device.position, _ = strconv.Atoi(d.doc.Attr(e, "position"))
	for _, c := range e.Children {
		switch c.Local() {
		case "was":
			item.was, ok = d.pieces(c.Children), true
		case "wrote":
			item.wrote, ok = d.pieces(c.Children), true
		}
	}
	switch item.thing {
	case undoBoot, undoOrder, undoKernel, undoFilterref, undoRNG:
		return item, ok
	}
	return item, false
}

func (v *view) pieces(elements []*element) []piece {
	var pieces []piece
	for _, e := range elements {
		pieces = append(pieces, v.piece(e))
	}
	return pieces
}

func (v *view) piece(e *element) piece {
	p := piece{source: v.doc.withoutPrefix(e)}
	switch e.Local() {
	case "boot":
		p.value = v.doc.Attr(e, "dev")
		if e.Attribute("order") != nil {
			p.value = strconv.FormatUint(uint64(orderNumber(v.doc.Attr(e, "order"))), 10)
		}
	case "filterref":
		p.value = v.doc.Attr(e, "filter")
	case "rng":
		p.value = v.rngValue(e)
	default:
		p.value = e.Local() + "=" + v.doc.Text(e)
	}
	return p
}

func bootPieces(devices []string) []piece {
	var pieces []piece
	for _, dev := range devices {
		pieces = append(pieces, piece{bootElement(xmltree.Escape(dev), "'"), dev})
	}
	return pieces
}

func orderPieces(order uint) []piece {
	if order == 0 {
		return nil
	}
	value := strconv.FormatUint(uint64(order), 10)
	return []piece{{"<boot order='" + value + "'/>", value}}
}

// withoutPrefix is an element's source without the record's prefix and its declaration.
func (d *tree) withoutPrefix(e *element) string {
	part := xmltree.NewEdits(d.Src)
	d.dropPrefix(part, e)
	return part.Element(e)
}

func (d *tree) dropPrefix(part *edits, e *element) {
	if d.Namespace(e) == RecordNamespace {
		if n := len(e.Name) - len(e.Local()); n > 0 {
			part.Replace(e.Start+1, e.Start+1+n, "")
			if strings.HasPrefix(d.Slice(e.BodyEnd, e.End), "</") {
				part.Replace(e.BodyEnd+2, e.BodyEnd+2+n, "")
			}
		}
	}
	for _, a := range e.Attrs {
		if strings.HasPrefix(a.Name, "xmlns") && d.Attr(e, a.Name) == RecordNamespace {
			start := bytes.LastIndex(d.Src[:a.Start], []byte(a.Name))
			part.Replace(start-1, a.End+1, "")
		}
	}
	for _, c := range e.Children {
		d.dropPrefix(part, c)
	}
}

// undoWriter writes a record: on one line, or with indent one line for each item.
type undoWriter struct {
	prefix, indent string
}

// metadataForm is the record in the form that virDomainSetMetadata takes: without a
// namespace, which libvirt puts into it (virXMLInjectNamespace in src/util/virxml.c).
// It is "" for an empty record.
func (u undoRecord) metadataForm() string {
	if u.empty() {
		return ""
	}
	return undoWriter{}.record(u)
}

func (w undoWriter) record(u undoRecord) string {
	attributes := ""
	if w.prefix != "" {
		attributes = ` xmlns:` + strings.TrimSuffix(w.prefix, ":") + `="` + RecordNamespace + `"`
	}
	for _, a := range []struct {
		name, value string
	}{
		{"uuid", u.uuid},
		{"metadata", map[bool]string{true: "new"}[u.newMetadata]},
		{"reverted", map[bool]string{true: "yes"}[u.reverted]},
		{"once", string(u.once)},
	} {
		attributes += attribute(a.name, a.value)
	}
	var items []string
	for _, i := range u.items {
		items = append(items, w.item(i))
	}
	if len(items) > 0 && w.indent != "" {
		items = append(items, "")
		return w.element("domain", attributes, w.indent+"  "+strings.Join(items[:len(items)-1], w.indent+"  ")+w.indent)
	}
	return w.element("domain", attributes, items...)
}

func (w undoWriter) item(i undoItem) string {
	attributes := ""
	if i.thing.ofDevice() {
		attributes = attribute("device", i.device.kind) + attribute("bus", i.device.bus) + attribute("name", i.device.name) +
			attribute("position", strconv.Itoa(i.device.position))
	}
	return w.element(string(i.thing), attributes, w.element("was", "", sources(i.was)...), w.element("wrote", "", sources(i.wrote)...))
}

func (w undoWriter) element(name, attributes string, inside ...string) string {
	if len(inside) == 0 {
		return "<" + w.prefix + name + attributes + "/>"
	}
	return "<" + w.prefix + name + attributes + ">" + strings.Join(inside, "") + "</" + w.prefix + name + ">"
}

func attribute(name, value string) string {
	if value == "" {
		return ""
	}
	return " " + name + `="` + xmltree.Escape(value) + `"`
}

func sources(pieces []piece) []string {
	var s []string
	for _, p := range pieces {
		s = append(s, p.source)
	}
	return s
}

// writeUndo puts a record into the domain's metadata, in place of the one that is
// there. It returns the record as written.
func (d *Document) writeUndo(e *edits, u undoRecord) undoRecord {
	write := func(indent string) string { return undoWriter{RecordKey + ":", indent}.record(u) }
	metadata := d.doc.Root.Child("metadata")
	switch {
	case d.undoElement != nil:
		e.Replace(d.undoElement.Start, d.undoElement.End, write(e.Indent(d.undoElement)))
	case metadata != nil && len(metadata.Children) > 0:
		e.AppendChild(metadata, write(e.Indent(metadata.Children[0])))
	case metadata != nil:
		e.AppendChild(metadata, write(""))
	default:
		u.newMetadata = true
		insertMetadata(e, d.doc.Root, write)
	}
	return u
}

// insertMetadata puts a new <metadata> where libvirt writes it: after the domain's
// names.
func insertMetadata(e *edits, root *element, write func(indent string) string) {
	for _, name := range []string{"description", "title", "genid", "uuid", "name"} {
		before := root.Child(name)
		if before == nil {
			continue
		}
		indent := e.Indent(before)
		if indent == "" {
			e.InsertAfter(before, "<metadata>"+write("")+"</metadata>")
			return
		}
		e.InsertAfter(before, "<metadata>"+indent+"  "+write(indent+"  ")+indent+"</metadata>")
		return
	}
	e.AppendChild(root, "<metadata>"+write("")+"</metadata>")
}

// removeUndo removes the record, and the <metadata> where virt-netboot has added it.
func (d *Document) removeUndo(e *edits) {
	el := d.undoElement
	if d.undo.newMetadata && len(el.Parent.Children) == 1 {
		el = el.Parent
	}
	e.Remove(el)
}
