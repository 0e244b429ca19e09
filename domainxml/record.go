package domainxml

import (
	"strconv"
	"strings"
)

// The element that virt-netboot keeps in a domain's <metadata>: what a rewrite
// took away, so that Revert can put it back, or that it was put back; and with
// once="pending" or "done" how far the one start from the network is.
//
//	<netboot:domain xmlns:netboot="urn:virt-netboot:domain:1.0" metadata="new">
//	  <netboot:boot><boot dev='hd'/></netboot:boot>
//	  <netboot:order type="disk" number="1" name="vda" value="1"/>
//	  <netboot:kernel><kernel>…</kernel><cmdline>…</cmdline></netboot:kernel>
//	  <netboot:filterref number="1" name="fa:16:3e:50:43:cd"><filterref …/></netboot:filterref>
//	</netboot:domain>
//
// libvirt keeps one element a namespace and passes it on as it is; one that came
// by virDomainSetMetadata has the prefix on the elements inside too.
//
// RecordNamespace and RecordKey are what virDomainSetMetadata takes as its uri
// and its key.
const (
	RecordNamespace = "urn:virt-netboot:domain:1.0"
	RecordKey       = "netboot"

	recordPrefix  = RecordKey + ":"
	recordElement = recordPrefix + "domain"
)

// record is that element.
type record struct {
	reverted    bool // the domain is to be left alone
	newMetadata bool // the <metadata> around it is virt-netboot's too
	once        Once

	boot       *[]string // <boot dev>s of <os>, empty when there were none; nil when not changed
	kernel     []string  // elements removed from <os>, as they were
	orders     []orderRecord
	filterrefs []filterrefRecord
}

type orderRecord struct {
	deviceID
	value string // "" when it had no order
}

// recordOf returns the element of ours and what it says, nil and the zero
// record when there is none.
func (d *document) recordOf() (*element, record) {
	metadata := d.root.child("metadata")
	if metadata == nil {
		return nil, record{}
	}
	for _, e := range metadata.children {
		if d.namespace(e) == RecordNamespace {
			return e, d.readRecord(e)
		}
	}
	return nil, record{}
}

func (d *document) readRecord(e *element) record {
	r := record{reverted: d.attr(e, "reverted") == "yes", newMetadata: d.attr(e, "metadata") == "new"}
	if once := Once(d.attr(e, "once")); once == OncePending || once == OnceDone {
		r.once = once
	}
	for _, c := range e.children {
		id := deviceID{kind: d.attr(c, "type"), name: d.attr(c, "name")}
		id.number, _ = strconv.Atoi(d.attr(c, "number"))
		switch c.local() {
		case "boot":
			boot := []string{}
			for _, b := range c.children {
				boot = append(boot, d.attr(b, "dev"))
			}
			r.boot = &boot
		case "kernel":
			r.kernel = d.sources(c.children)
		case "order":
			r.orders = append(r.orders, orderRecord{id, d.attr(c, "value")})
		case "filterref":
			id.kind = "interface"
			for _, source := range d.sources(c.children) {
				r.filterrefs = append(r.filterrefs, filterrefRecord{id, source, d.attr(c, "to")})
			}
		}
	}
	return r
}

// sources are elements as they were. In one that came to libvirt by
// virDomainSetMetadata they have the prefix of the record.
func (d *document) sources(elements []*element) []string {
	var s []string
	for _, e := range elements {
		s = append(s, d.withoutPrefix(e))
	}
	return s
}

// source is an element as it is written.
func (d *document) source(e *element) string { return string(d.src[e.start:e.end]) }

// empty reports whether the record says nothing.
func (r record) empty() bool {
	return !r.reverted && r.once == OnceNone && r.boot == nil && r.kernel == nil && r.orders == nil && r.filterrefs == nil
}

// render writes the record, one child a line where lines begin with indent.
func (r record) render(indent string) string {
	attributes := " xmlns:" + strings.TrimSuffix(recordPrefix, ":") + `="` + RecordNamespace + `"`
	if r.newMetadata {
		attributes += ` metadata="new"`
	}
	if r.reverted {
		attributes += ` reverted="yes"`
	}
	if r.once != OnceNone {
		attributes += ` once="` + string(r.once) + `"`
	}
	children := r.children()
	if len(children) == 0 {
		return "<" + recordElement + attributes + "/>"
	}
	if indent != "" {
		for i := range children {
			children[i] = indent + "  " + children[i]
		}
	}
	return "<" + recordElement + attributes + ">" + strings.Join(children, "") + indent + "</" + recordElement + ">"
}

func (r record) children() []string {
	var s []string
	if r.boot != nil {
		var boots []string
		for _, dev := range *r.boot {
			boots = append(boots, bootElement(escape(dev), "'"))
		}
		s = append(s, kept("boot", "", boots...))
	}
	for _, o := range r.orders {
		s = append(s, kept("order", ` type="`+escape(o.kind)+`"`+o.place()+` value="`+escape(o.value)+`"`))
	}
	if r.kernel != nil {
		s = append(s, kept("kernel", "", r.kernel...))
	}
	for _, f := range r.filterrefs {
		attributes := f.place()
		if f.to != "" {
			attributes += ` to="` + escape(f.to) + `"`
		}
		s = append(s, kept("filterref", attributes, f.element))
	}
	return s
}

func (id deviceID) place() string {
	return ` number="` + strconv.Itoa(id.number) + `" name="` + escape(id.name) + `"`
}

func kept(name, attributes string, elements ...string) string {
	if len(elements) == 0 {
		return "<" + recordPrefix + name + attributes + "/>"
	}
	return "<" + recordPrefix + name + attributes + ">" + strings.Join(elements, "") + "</" + recordPrefix + name + ">"
}

// writeRecord puts a record into the domain's metadata in place of the one that
// is there.
func (e *edits) writeRecord(d *document, old *element, r record) {
	metadata := d.root.child("metadata")
	switch {
	case old != nil:
		e.add(old.start, old.end, r.render(e.indent(old)))
	case metadata != nil && len(metadata.children) > 0:
		e.appendChild(metadata, r.render(e.indent(metadata.children[0])))
	case metadata != nil:
		e.appendChild(metadata, r.render(""))
	default:
		r.newMetadata = true
		e.insertMetadata(d.root, r)
	}
}

// insertMetadata puts a new <metadata> where libvirt writes it: behind the
// domain's names.
func (e *edits) insertMetadata(root *element, r record) {
	for _, name := range []string{"description", "title", "genid", "uuid", "name"} {
		before := root.child(name)
		if before == nil {
			continue
		}
		indent := e.indent(before)
		if indent == "" {
			e.insertAfter(before, "<metadata>"+r.render("")+"</metadata>")
			return
		}
		e.insertAfter(before, "<metadata>"+indent+"  "+r.render(indent+"  ")+indent+"</metadata>")
		return
	}
	e.appendChild(root, "<metadata>"+r.render("")+"</metadata>")
}
