package novatemplate

import (
	"bytes"
	"regexp"
	"slices"

	"github.com/virt-netboot/virt-netboot/agent/resync/edit"
)

// element is an XML element of a template, from its < to its last >. Where its
// tags are is known, not what is between them.
type element struct {
	name       string
	start, end int
	// openEnd is behind the > of its opening tag: end for <a/>.
	openEnd int
}

// markupTokens are a comment or CDATA section, or a tag: slash, name, the
// attributes, slash.
var markupTokens = regexp.MustCompile(`(?s)<!--.*?-->|<!\[CDATA\[.*?\]\]>|<(/?)([A-Za-z_][\w.:-]*)((?:\s+|[^<>"'/\s]+|/[^>]|"[^"]*"|'[^']*')*)(/?)>`)

// attributes are name and quoted value.
var attributes = regexp.MustCompile(`\s([\w.:-]+)\s*=\s*("[^"]*"|'[^']*')`)

// elements finds the elements of one of the names. They must be closed, and
// those of the same name must not be nested, in which domains have none.
func elements(markup []byte, names ...string) ([]element, error) {
	var found []element
	open := map[string]int{} // index in found
	for _, m := range markupTokens.FindAllSubmatchIndex(markup, -1) {
		name := group(markup, m, 2)
		at, isOpen := open[name]
		switch {
		case !slices.Contains(names, name):
		case group(markup, m, 1) == "/":
			if !isOpen {
				return nil, edit.Errorf(markup, m[0], "</%s> without its <%[1]s>", name)
			}
			found[at].end = m[1]
			delete(open, name)
		case isOpen:
			return nil, edit.Errorf(markup, m[0], "<%s> where the one of line %d is not closed", name, edit.Line(markup, found[at].start))
		default:
			found = append(found, element{name, m[0], m[1], m[1]})
			if group(markup, m, 4) != "/" {
				open[name] = len(found) - 1
			}
		}
	}
	for i, el := range found {
		if at, isOpen := open[el.name]; isOpen && at == i {
			return nil, edit.Errorf(markup, el.start, "<%s> without its </%[1]s>", el.name)
		}
	}
	return found, nil
}

func group(src []byte, m []int, n int) string {
	if m[2*n] < 0 {
		return ""
	}
	return string(src[m[2*n]:m[2*n+1]])
}

// attribute returns where the value of an attribute of the opening tag is,
// without its quotes; ok is false without such an attribute.
func (e element) attribute(markup []byte, name string) (start, end int, ok bool) {
	for _, m := range attributes.FindAllSubmatchIndex(markup[e.start:e.openEnd], -1) {
		if string(markup[e.start+m[2]:e.start+m[3]]) == name {
			return e.start + m[4] + 1, e.start + m[5] - 1, true
		}
	}
	return 0, 0, false
}

// indent returns what stands before an offset on its line; alone is false when
// that is more than white space.
func indent(src []byte, at int) (space string, alone bool) {
	before := src[1+bytes.LastIndexByte(src[:at], '\n') : at]
	return string(before), len(bytes.Trim(before, " \t")) == 0
}
