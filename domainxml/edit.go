package domainxml

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// edits collects splices of a document and applies them in one pass. What no
// splice covers comes out as it went in.
type edits struct {
	src     []byte
	splices []splice
}

// splice replaces src[start:end] with text.
type splice struct {
	start, end int
	text       string
}

func (e *edits) setAttribute(a *attribute, value string) {
	e.add(a.start, a.end, escape(value))
}

// remove takes an element away together with its line, if it has one to itself.
func (e *edits) remove(el *element) {
	start := el.start
	if indent := e.indent(el); strings.HasPrefix(strings.TrimPrefix(indent, "\r"), "\n") {
		start -= len(indent)
	}
	e.add(start, el.end, "")
}

// insertBefore puts new elements before one, each on a line like its line.
func (e *edits) insertBefore(el *element, elements ...string) {
	text := ""
	for _, s := range elements {
		text += s + e.indent(el)
	}
	e.add(el.start, el.start, text)
}

// insertAfter puts new elements behind one, each on a line like its line.
func (e *edits) insertAfter(el *element, elements ...string) {
	text := ""
	for _, s := range elements {
		text += e.indent(el) + s
	}
	e.add(el.end, el.end, text)
}

// appendChild puts a new element behind the last child of one.
func (e *edits) appendChild(el *element, s string) {
	switch {
	case len(el.children) > 0:
		e.insertAfter(el.children[len(el.children)-1], s)
	case el.empty() && hasPrefix(e.src[el.end-2:], "/>"):
		e.add(el.end-2, el.end, ">"+s+"</"+el.name+">")
	default:
		e.add(el.bodyEnd, el.bodyEnd, s)
	}
}

// indent returns the white space before an element from the line break on, ""
// when something else stands on its line.
func (e *edits) indent(el *element) string {
	line := len(bytes.TrimRight(e.src[:el.start], " \t"))
	if line == 0 || e.src[line-1] != '\n' {
		return ""
	}
	line--
	if line > 0 && e.src[line-1] == '\r' {
		line--
	}
	return string(e.src[line:el.start])
}

// quote returns the quotation mark that the element's tag uses.
func (e *edits) quote(el *element) string {
	for _, a := range el.attrs {
		return string(e.src[a.end : a.end+1])
	}
	return "'"
}

func (e *edits) add(start, end int, text string) {
	e.splices = append(e.splices, splice{start, end, text})
}

// apply returns the edited document, the source itself where nothing changes.
func (e *edits) apply() []byte {
	if len(e.splices) == 0 {
		return e.src
	}
	slices.SortStableFunc(e.splices, func(a, b splice) int {
		return cmp.Or(a.start-b.start, a.end-b.end) // an insertion before a removal
	})
	size := len(e.src)
	for _, s := range e.splices {
		size += len(s.text)
	}
	out := make([]byte, 0, size)
	at := 0
	for _, s := range e.splices {
		out = append(out, e.src[at:s.start]...)
		out = append(out, s.text...)
		at = s.end
	}
	return append(out, e.src[at:]...)
}
