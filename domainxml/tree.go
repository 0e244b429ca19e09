package domainxml

import (
	"github.com/virt-netboot/virt-netboot/domainxml/internal/xmltree"
)

// SyntaxError is a document that cannot be read, and so is never changed.
type SyntaxError = xmltree.SyntaxError

type (
	element = xmltree.Element
	edits   = xmltree.Edits
)

// tree is a parsed document, a domain's or a device's.
type tree struct {
	*xmltree.Document
	positions map[*element]int // of the elements that were asked for
}

func parse(src []byte) (*tree, error) {
	doc, err := xmltree.Parse(src)
	if err != nil {
		return nil, err
	}
	return &tree{Document: doc}, nil
}

// parseDomain reads a domain. With a second <os> or <devices> it is not known which
// one libvirt would read.
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

// position is an element's place among those of its name beside it, from 1. All of
// these are counted at once.
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
