// Package xmltree reads XML without losing a byte: a [Document] has the positions of
// elements and attributes in the source, and [Edits] splices changes into it.
//
//	doc, err := xmltree.Parse(src)
//	name := doc.Root.Child("name")
//	edits := xmltree.NewEdits(src)
//	edits.Remove(name)
//	out := edits.Apply()
//
// It finds elements as libvirt's XPath expressions do.
package xmltree

import "strings"

// Document is a parsed XML document.
type Document struct {
	Src  []byte
	Root *Element
	str  string // Src
}

// Element is one element and its position in the source. For <a x='1'>…</a> Start
// is at the first <, Body behind the first >, BodyEnd at the second <, and End
// behind the second >; for <a/> Body, BodyEnd and End are all behind the />.
type Element struct {
	Name                      string // as written, with its prefix
	Start, Body, BodyEnd, End int
	Attrs                     []Attribute
	Children                  []*Element
	Parent                    *Element
	// Foreign says that it is in a default namespace (xmlns='…'), where libvirt's XPath
	// expressions do not find it.
	Foreign bool
}

// Attribute is one attribute; Src[Start:End] is its value without the quotes.
type Attribute struct {
	Name       string
	Start, End int
}

func (e *Element) empty() bool { return e.End == e.Body }

// Child returns the first child of that name that libvirt finds, or nil.
func (e *Element) Child(name string) *Element {
	if e == nil {
		return nil
	}
	for _, c := range e.Children {
		if c.Name == name && !c.Foreign {
			return c
		}
	}
	return nil
}

// All returns the children of that name that libvirt finds.
func (e *Element) All(name string) []*Element {
	if e == nil {
		return nil
	}
	var found []*Element
	for _, c := range e.Children {
		if c.Name == name && !c.Foreign {
			found = append(found, c)
		}
	}
	return found
}

// Attribute returns the attribute of that name, or nil.
func (e *Element) Attribute(name string) *Attribute {
	if e == nil {
		return nil
	}
	for i := range e.Attrs {
		if e.Attrs[i].Name == name {
			return &e.Attrs[i]
		}
	}
	return nil
}

// Attr returns the value of an attribute, "" without it. It is a copy, so it does not
// hold the whole document in memory.
func (d *Document) Attr(e *Element, name string) string {
	a := e.Attribute(name)
	if a == nil {
		return ""
	}
	return strings.Clone(Unescape(spaces(d.str[a.Start:a.End])))
}

// Text returns the element's own character data, like XPath's string() for an
// element without children. It is a copy, as for Attr.
func (d *Document) Text(e *Element) string {
	if e == nil {
		return ""
	}
	all := d.str[e.Body:e.BodyEnd]
	if strings.IndexByte(all, '<') < 0 {
		return strings.Clone(Unescape(lineEnds(all)))
	}
	var b strings.Builder
	children := e.Children
	for at := e.Body; at < e.BodyEnd; {
		rest := d.str[at:e.BodyEnd]
		switch {
		case len(children) > 0 && children[0].Start == at:
			at, children = children[0].End, children[1:]
		case strings.HasPrefix(rest, cdataOpen):
			end := strings.Index(rest, cdataClose)
			b.WriteString(lineEnds(rest[len(cdataOpen):end]))
			at += end + len(cdataClose)
		case rest[0] == '<':
			at += markupLength(rest)
		default:
			n := strings.IndexByte(rest, '<')
			if n < 0 {
				n = len(rest)
			}
			b.WriteString(Unescape(lineEnds(rest[:n])))
			at += n
		}
	}
	return b.String()
}

// markupLength is the length of the comment or processing instruction at the
// beginning of s.
func markupLength(s string) int {
	if strings.HasPrefix(s, commentOpen) {
		return len(commentOpen) + strings.Index(s[len(commentOpen):], commentClose) + len(commentClose)
	}
	return strings.Index(s, piClose) + len(piClose)
}

// Namespace resolves the prefix of an element's name to its URI, "" without one.
func (d *Document) Namespace(e *Element) string {
	decl := "xmlns"
	if prefix, _, ok := strings.Cut(e.Name, ":"); ok {
		decl = "xmlns:" + prefix
	}
	for ; e != nil; e = e.Parent {
		if e.Attribute(decl) != nil {
			return d.Attr(e, decl)
		}
	}
	return ""
}

// Local is the name without its prefix.
func (e *Element) Local() string {
	if _, local, ok := strings.Cut(e.Name, ":"); ok {
		return local
	}
	return e.Name
}

// Source is an element's source.
func (d *Document) Source(e *Element) string { return d.str[e.Start:e.End] }

// Inner is the source between an element's tags.
func (d *Document) Inner(e *Element) string { return d.str[e.Body:e.BodyEnd] }

// Slice is a part of the source.
func (d *Document) Slice(start, end int) string { return d.str[start:end] }
