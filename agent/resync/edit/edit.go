// Package edit is what the editors of the resync package share: splices of a
// text, what an editor reports about them, and errors with their line.
package edit

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// Result is what an editor made of a text.
type Result struct {
	// Output is the edited text: the input itself, not a copy, without changes.
	Output []byte
	// Changes are what was changed, in the order of the text.
	Changes []Note
	// Notes are facts that an operator should know, such as what no change reaches.
	Notes []Note
	// Todo is what an operator must do for the changes to take effect, or "".
	Todo string
}

// Note is one remark about a text.
type Note struct {
	Line int    `json:"line"` // of the input, from 1
	Text string `json:"text"`
}

func (n Note) String() string { return fmt.Sprintf("line %d: %s", n.Line, n.Text) }

// Error says why a text is left alone.
type Error struct {
	Line    int // from 1
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

// Errorf is an error at an offset of src.
func Errorf(src []byte, offset int, format string, args ...any) error {
	return &Error{Line: Line(src, offset), Message: fmt.Sprintf(format, args...)}
}

// Line is the number, from 1, of the line that the offset is in.
func Line(src []byte, offset int) int {
	return 1 + bytes.Count(src[:offset], []byte("\n"))
}

// Splices are replacements of a text, applied together.
type Splices struct {
	splices []splice
}

// splice replaces src[start:end] with text.
type splice struct {
	start, end int
	text       string
}

// Add replaces src[start:end] with text. Splices must not overlap.
func (s *Splices) Add(start, end int, text string) {
	s.splices = append(s.splices, splice{start, end, text})
}

// Apply returns the edited text, src itself where there is nothing to do.
func (s *Splices) Apply(src []byte) []byte {
	if len(s.splices) == 0 {
		return src
	}
	slices.SortStableFunc(s.splices, func(a, b splice) int { return cmp.Compare(a.start, b.start) })
	var out []byte
	at := 0
	for _, p := range s.splices {
		out = append(out, src[at:p.start]...)
		out = append(out, p.text...)
		at = p.end
	}
	return append(out, src[at:]...)
}
