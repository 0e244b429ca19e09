package xmltree

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// Edits collects splices of a document and applies them in one pass. All other bytes
// stay as they are.
type Edits struct {
	src     []byte
	splices []splice
	sorted  bool
}

// splice replaces src[start:end] with text.
type splice struct {
	start, end int
	text       string
}

// SetAttribute replaces an attribute's value.
func (e *Edits) SetAttribute(a *Attribute, value string) {
	e.Replace(a.Start, a.End, Escape(value))
}

// Remove removes an element, with its line where it is alone on it.
func (e *Edits) Remove(el *Element) {
	start := el.Start
	if indent := e.Indent(el); strings.HasPrefix(strings.TrimPrefix(indent, "\r"), "\n") {
		start -= len(indent)
	}
	e.Replace(start, el.End, "")
}

// InsertBefore puts new elements before el, each on a line of its own where el is on
// one.
func (e *Edits) InsertBefore(el *Element, elements ...string) {
	if len(elements) == 0 {
		return
	}
	indent := e.Indent(el)
	e.Replace(el.Start, el.Start, strings.Join(elements, indent)+indent)
}

// InsertAfter puts new elements after el, each on a line of its own where el is on one.
func (e *Edits) InsertAfter(el *Element, elements ...string) {
	if len(elements) == 0 {
		return
	}
	indent := e.Indent(el)
	e.Replace(el.End, el.End, indent+strings.Join(elements, indent))
}

// AppendChild puts a new element after el's last child.
func (e *Edits) AppendChild(el *Element, s string) {
	switch {
	case len(el.Children) > 0:
		e.InsertAfter(el.Children[len(el.Children)-1], s)
	case el.empty() && hasPrefix(e.src[el.End-2:], "/>"):
		e.Replace(el.End-2, el.End, ">"+s+"</"+el.Name+">")
	default:
		e.Replace(el.BodyEnd, el.BodyEnd, s)
	}
}

// Indent returns the white space before an element from the line break on, "" when
// there is something else before it on its line.
func (e *Edits) Indent(el *Element) string {
	line := len(bytes.TrimRight(e.src[:el.Start], " \t"))
	if line == 0 || e.src[line-1] != '\n' {
		return ""
	}
	line--
	if line > 0 && e.src[line-1] == '\r' {
		line--
	}
	return string(e.src[line:el.Start])
}

// Quote returns the quotation mark that the element's tag uses.
func (e *Edits) Quote(el *Element) string {
	for _, a := range el.Attrs {
		return string(e.src[a.End : a.End+1])
	}
	return "'"
}

// Replace replaces Src[start:end] with text.
func (e *Edits) Replace(start, end int, text string) {
	e.splices, e.sorted = append(e.splices, splice{start, end, text}), false
}

// NewEdits returns edits of a source, without any change yet.
func NewEdits(src []byte) *Edits { return &Edits{src: src} }

// None reports whether nothing changes.
func (e *Edits) None() bool { return len(e.splices) == 0 }

// Apply returns the edited document, the source itself where nothing changes.
func (e *Edits) Apply() []byte { return e.within(0, len(e.src)) }

// Element returns an element with the edits inside it. No edit may be at its edges.
func (e *Edits) Element(el *Element) string { return string(e.within(el.Start, el.End)) }

// within applies the splices inside src[start:end].
func (e *Edits) within(start, end int) []byte {
	e.sort()
	first, _ := slices.BinarySearchFunc(e.splices, start, func(s splice, at int) int { return s.start - at })
	inside := e.splices[first:]
	if n := slices.IndexFunc(inside, func(s splice) bool { return s.end > end }); n >= 0 {
		inside = inside[:n]
	}
	if len(inside) == 0 {
		return e.src[start:end]
	}
	size := end - start
	for _, s := range inside {
		size += len(s.text)
	}
	out := make([]byte, 0, size)
	for _, s := range inside {
		out = append(out, e.src[start:s.start]...)
		out = append(out, s.text...)
		start = s.end
	}
	return append(out, e.src[start:end]...)
}

// sort sorts the splices in the order of the document, an insertion before a removal at
// the same offset.
func (e *Edits) sort() {
	if !e.sorted {
		slices.SortStableFunc(e.splices, func(a, b splice) int { return cmp.Or(a.start-b.start, a.end-b.end) })
		e.sorted = true
	}
}
