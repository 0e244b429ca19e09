package domainxml

import "strings"

// document is a parsed XML document that remembers where everything stands, so
// that an edit can be a splice of the original bytes.
type document struct {
	src  []byte
	str  string // the same
	root *element
	// numbers are those of the elements that somebody has asked for.
	numbers map[*element]int
}

// element is one element and its place in the source. For <a x='1'>…</a> start
// is at the first <, body behind the first >, bodyEnd at the second <, and end
// behind the second >; for <a/> body, bodyEnd and end are all behind the />.
type element struct {
	name                      string // as written, with its prefix
	start, body, bodyEnd, end int
	attrs                     []attribute
	children                  []*element
	parent                    *element
	// foreign: it is in a default namespace (xmlns='…'), where libvirt's XPath
	// expressions do not find it.
	foreign bool
}

// attribute is one attribute; src[start:end] is its value without the quotes.
type attribute struct {
	name       string
	start, end int
}

func (e *element) empty() bool { return e.end == e.body }

// child returns the first child of that name as libvirt finds it, or nil.
func (e *element) child(name string) *element {
	if e == nil {
		return nil
	}
	for _, c := range e.children {
		if c.name == name && !c.foreign {
			return c
		}
	}
	return nil
}

// all returns the children of that name as libvirt finds them.
func (e *element) all(name string) []*element {
	if e == nil {
		return nil
	}
	var found []*element
	for _, c := range e.children {
		if c.name == name && !c.foreign {
			found = append(found, c)
		}
	}
	return found
}

func (e *element) attribute(name string) *attribute {
	if e == nil {
		return nil
	}
	for i := range e.attrs {
		if e.attrs[i].name == name {
			return &e.attrs[i]
		}
	}
	return nil
}

// attr returns the value of an attribute, "" without it.
func (d *document) attr(e *element, name string) string {
	a := e.attribute(name)
	if a == nil {
		return ""
	}
	return unescape(d.str[a.start:a.end])
}

// text returns the element's own character data, like XPath's string() for an
// element without children.
func (d *document) text(e *element) string {
	if e == nil {
		return ""
	}
	all := d.str[e.body:e.bodyEnd]
	if strings.IndexByte(all, '<') < 0 {
		return unescape(all)
	}
	var b strings.Builder
	children := e.children
	for at := e.body; at < e.bodyEnd; {
		rest := d.str[at:e.bodyEnd]
		switch {
		case len(children) > 0 && children[0].start == at:
			at, children = children[0].end, children[1:]
		case strings.HasPrefix(rest, cdataOpen):
			end := strings.Index(rest, cdataClose)
			b.WriteString(rest[len(cdataOpen):end])
			at += end + len(cdataClose)
		case rest[0] == '<':
			at += markupLength(rest)
		default:
			n := strings.IndexByte(rest, '<')
			if n < 0 {
				n = len(rest)
			}
			b.WriteString(unescape(rest[:n]))
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

// namespace resolves the prefix of an element's name to its URI, "" without one.
func (d *document) namespace(e *element) string {
	decl := "xmlns"
	if prefix, _, ok := strings.Cut(e.name, ":"); ok {
		decl = "xmlns:" + prefix
	}
	for ; e != nil; e = e.parent {
		if e.attribute(decl) != nil {
			return d.attr(e, decl)
		}
	}
	return ""
}

func (e *element) local() string {
	if _, local, ok := strings.Cut(e.name, ":"); ok {
		return local
	}
	return e.name
}
