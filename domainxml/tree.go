package domainxml

import (
	"strings"

	"github.com/virt-netboot/virt-netboot/domainxml/internal/xmltree"
)

// SyntaxError is the error for a document that cannot be read, which is never changed.
type SyntaxError = xmltree.SyntaxError

type (
	element = xmltree.Element
	edits   = xmltree.Edits
)

// tree is a parsed document, a domain's or a device's.
type tree struct {
	*xmltree.Document
	positions map[*element]int // of the elements counted so far
}

func parse(src []byte) (*tree, error) {
	doc, err := xmltree.Parse(src)
	if err != nil {
		return nil, err
	}
	if a := prefixed(doc.Root); a != nil {
		return nil, xmltree.ErrorAt(src, a.Start, "attribute %s has a prefix", a.Name)
	}
	return &tree{Document: doc}, nil
}

// prefixed returns an attribute with a prefix where libvirt may read it as one without:
// it does so with most, but not with all (virXMLPropString in src/util/virxml.c). It is
// nil where there is none. What is in <metadata> or in an element of another namespace
// libvirt does not read.
func prefixed(e *element) *xmltree.Attribute {
	for i, a := range e.Attrs {
		if prefix, _, ok := strings.Cut(a.Name, ":"); ok && prefix != "xmlns" && prefix != "xml" {
			return &e.Attrs[i]
		}
	}
	for _, c := range e.Children {
		if c.Foreign || c.Name == "metadata" || strings.Contains(c.Name, ":") {
			continue
		}
		if a := prefixed(c); a != nil {
			return a
		}
	}
	return nil
}

// parseDomain reads a domain. A second <os> or <devices> is an error, since libvirt may
// read the other one.
func parseDomain(src []byte) (*tree, error) {
	doc, err := parse(src)
	if err != nil {
		return nil, err
	}
	if doc.Root.Name != "domain" {
		return nil, xmltree.ErrorAt(src, doc.Root.Start, "the root element is <%s>, not <domain>", doc.Root.Name)
	}
	for _, name := range []string{"os", "devices"} {
		if again := doc.Root.All(name); len(again) > 1 {
			return nil, xmltree.ErrorAt(src, again[1].Start, "a second <%s>", name)
		}
	}
	return doc, nil
}

// position is an element's position among its siblings of the same name, from 1. All
// of them are counted at once.
func (d *tree) position(e *element) int {
	if _, counted := d.positions[e]; !counted {
		if d.positions == nil {
			d.positions = map[*element]int{}
		}
		for i, same := range e.Parent.All(e.Name) {
			d.positions[same] = i + 1
		}
	}
	return d.positions[e]
}
