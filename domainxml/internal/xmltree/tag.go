package xmltree

import "bytes"

func (p *parser) startTag() error {
	e := p.newElement()
	*e = Element{Start: p.at, Parent: p.open, Name: nameAt(p.str, p.at+1)}
	if e.Name == "" {
		return p.fail(p.at, "a < that begins no tag")
	}
	if p.open == nil && p.root != nil {
		return p.fail(p.at, "a second root element <%s>", e.Name)
	}
	if p.deep++; p.deep > maxDepth {
		return p.fail(p.at, "elements nested more than %d deep", maxDepth)
	}
	if err := p.grow(e.Start); err != nil {
		return err
	}
	p.at += 1 + len(e.Name)
	closed, err := p.attributes(e)
	if err != nil {
		return err
	}
	e.Foreign = p.foreign(e)
	p.attach(e)
	e.Body, e.BodyEnd, e.End = p.at, p.at, p.at
	if closed {
		p.deep--
		return nil
	}
	p.open = e
	return nil
}

// grow counts an element or an attribute.
func (p *parser) grow(offset int) error {
	if p.size++; p.size > maxElements {
		return p.fail(offset, "more than %d elements and attributes", maxElements)
	}
	return nil
}

// newElement takes an element from a slab, since a document has hundreds.
func (p *parser) newElement() *Element {
	if len(p.slab) == 0 {
		p.slab = make([]Element, 64)
	}
	e := &p.slab[0]
	p.slab = p.slab[1:]
	return e
}

func (p *parser) attach(e *Element) {
	if p.open == nil {
		p.root = e
		return
	}
	p.open.Children = append(p.open.Children, e)
}

func (p *parser) foreign(e *Element) bool {
	if xmlns := e.Attribute("xmlns"); xmlns != nil {
		return xmlns.End > xmlns.Start
	}
	return e.Parent != nil && e.Parent.Foreign
}

// attributes reads up to and including the > of a start tag, and reports
// whether it was a />.
func (p *parser) attributes(e *Element) (closed bool, err error) {
	for {
		before := p.at
		p.space()
		switch rest := p.src[p.at:]; {
		case len(rest) == 0:
			return false, p.fail(e.Start, "the tag <%s has no >", e.Name)
		case rest[0] == '>':
			p.at++
			return false, nil
		case hasPrefix(rest, "/>"):
			p.at += 2
			return true, nil
		case p.at == before:
			return false, p.fail(p.at, "no space before an attribute of <%s>", e.Name)
		}
		if err := p.attribute(e); err != nil {
			return false, err
		}
	}
}

func (p *parser) attribute(e *Element) error {
	name := nameAt(p.str, p.at)
	if name == "" {
		return p.fail(p.at, "not an attribute of <%s>", e.Name)
	}
	if p.hasAttribute(e, name) {
		return p.fail(p.at, "attribute %s of <%s> is there twice", name, e.Name)
	}
	p.at += len(name)
	p.space()
	if !p.eat('=') {
		return p.fail(p.at, "attribute %s of <%s> has no =", name, e.Name)
	}
	p.space()
	if p.at == len(p.src) || p.src[p.at] != '\'' && p.src[p.at] != '"' {
		return p.fail(p.at, "the value of attribute %s of <%s> is not in quotes", name, e.Name)
	}
	quote := p.src[p.at]
	p.at++
	n := bytes.IndexByte(p.src[p.at:], quote)
	if n < 0 {
		return p.fail(p.at, "the value of attribute %s of <%s> has no end", name, e.Name)
	}
	value := p.src[p.at : p.at+n]
	if i := bytes.IndexByte(value, '<'); i >= 0 {
		return p.fail(p.at+i, "a < in the value of attribute %s of <%s>", name, e.Name)
	}
	if err := p.checkText(p.at, value); err != nil {
		return err
	}
	if err := p.grow(p.at); err != nil {
		return err
	}
	e.Attrs = append(e.Attrs, Attribute{Name: name, Start: p.at, End: p.at + n})
	p.at += n + 1
	return nil
}

// hasAttribute reports whether the tag that is being read already has an attribute. It
// uses a map where there are many.
func (p *parser) hasAttribute(e *Element, name string) bool {
	const few = 16
	if len(e.Attrs) < few {
		return e.Attribute(name) != nil
	}
	if len(e.Attrs) == few {
		p.names = make(map[string]bool, 2*few)
		for _, a := range e.Attrs {
			p.names[a.Name] = true
		}
	}
	has := p.names[name]
	p.names[name] = true
	return has
}

func (p *parser) endTag() error {
	name := nameAt(p.str, p.at+2)
	if p.open == nil || name != p.open.Name {
		return p.fail(p.at, "</%s> closes nothing that is open", name)
	}
	p.open.BodyEnd = p.at
	p.at += 2 + len(name)
	p.space()
	if !p.eat('>') {
		return p.fail(p.at, "the tag </%s has no >", name)
	}
	p.open.End = p.at
	p.open = p.open.Parent
	p.deep--
	return nil
}
