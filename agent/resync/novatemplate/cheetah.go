package novatemplate

import (
	"bytes"
	"slices"
	"strings"

	"github.com/virt-netboot/virt-netboot/agent/resync/edit"
)

// cheetah is what Cheetah reads in a template.
type cheetah struct {
	src        []byte
	directives []directive
	// markup is what is left for XML: the source, at the same offsets, with
	// directives and comments as spaces and placeholders as letters.
	markup []byte
}

// parseCheetah finds the directives, comments and placeholders of a template,
// as eat… in Cheetah's Parser.py do. XML means nothing to Cheetah: a directive
// counts in an XML comment too.
func parseCheetah(src []byte) (*cheetah, error) {
	c := &cheetah{src: src, markup: bytes.Clone(src)}
	for at := 0; at < len(src); {
		next, err := c.token(at)
		if err != nil {
			return nil, err
		}
		at = next
	}
	return c, c.checkBalance()
}

// token reads what begins at an offset and returns the offset behind it.
func (c *cheetah) token(at int) (int, error) {
	switch rest := c.src[at:]; {
	case bytes.HasPrefix(rest, []byte(`\#`)), bytes.HasPrefix(rest, []byte(`\$`)):
		return at + 2, nil // text
	case bytes.HasPrefix(rest, []byte("##")):
		return c.blank(at, at+endOfLine(rest), ' '), nil
	case bytes.HasPrefix(rest, []byte("#*")):
		end := bytes.Index(rest, []byte("*#"))
		if end < 0 {
			return 0, edit.Errorf(c.src, at, "a comment #* without its *#")
		}
		return c.blank(at, at+end+len("*#"), ' '), nil
	case bytes.HasPrefix(rest, []byte("<%")):
		return 0, edit.Errorf(c.src, at, "<%% begins Python code, which can write anything")
	case rest[0] == '#':
		return c.directive(at)
	case rest[0] == '$':
		return c.placeholder(at)
	}
	return at + 1, nil
}

// blank hides src[start:end] from the markup. Line breaks stay.
func (c *cheetah) blank(start, end int, filler byte) int {
	for i := start; i < end; i++ {
		if b := c.markup[i]; b != '\n' && b != '\r' {
			c.markup[i] = filler
		}
	}
	return end
}

func (c *cheetah) directive(at int) (int, error) {
	name := directiveName(c.src[at+1:])
	switch {
	case slices.Contains(opaque(), name):
		return 0, edit.Errorf(c.src, at, "#%s changes how the rest is read; only a template without it can be patched", name)
	case !isDirective(c.src[at:]):
		return at + 1, nil // text, such as the colour #fff
	}
	expr, err := c.expression(at+1+len(name), isBlock(name) || slices.Contains(branches(), name))
	if err != nil {
		return 0, err
	}
	d := directive{start: at, end: expr.end}
	switch {
	case name == "end":
		d.ends, d.closes = true, directiveName(bytes.TrimLeft(c.src[at+1+len(name):], " \t\f"))
	case expr.inline:
		d.inline = true
	case isBlock(name) && !expr.ternary:
		d.opens = name
	default:
		d.divides = slices.Contains(branches(), name)
	}
	c.directives = append(c.directives, d)
	return c.blank(d.start, d.end, ' '), nil
}

// placeholder reads $name, $name.attribute(…)[…], ${…}, $(…) or $[…].
func (c *cheetah) placeholder(at int) (int, error) {
	i := at + 1
	for i < len(c.src) && strings.IndexByte("!*", c.src[i]) >= 0 {
		i++
	}
	named := false
	for i < len(c.src) {
		switch b := c.src[i]; {
		case isNameByte(b) && (named || b < '0' || b > '9'), b == '.' && named && i+1 < len(c.src) && isLetter(c.src[i+1]):
			named = true
			i++
			continue
		case strings.IndexByte("([", b) >= 0, b == '{' && !named:
			end, err := c.skipBrackets(i)
			if err != nil {
				return 0, err
			}
			i = end
			if named {
				continue
			}
		}
		break
	}
	if i == at+1 {
		return i, nil // a plain $
	}
	return c.blank(at, i, 'x'), nil
}

// expression is where the expression of a directive ends, and its form.
type expression struct {
	end     int
	ternary bool // #if $a then b else c
	inline  bool // #if $a: the rest of the line
}

func (c *cheetah) expression(at int, block bool) (expression, error) {
	i, words := at, []string{}
	for i < len(c.src) {
		switch b := c.src[i]; {
		case b == '\n' || b == '\r':
			return expression{end: i, ternary: isTernary(words)}, nil
		case bytes.HasPrefix(c.src[i:], []byte("##")) && !isDirective(c.src[i+1:]):
			return expression{end: i, ternary: isTernary(words)}, nil // a comment behind it
		case b == '#':
			return expression{end: i + 1, ternary: isTernary(words)}, nil
		case b == ':' && block:
			text := bytes.TrimSpace(c.src[i+1 : i+endOfLine(c.src[i:])])
			return expression{end: i + 1, inline: len(text) > 0 && !bytes.HasPrefix(text, []byte("##"))}, nil
		case b == '\\' && i+1 < len(c.src):
			i += 2
		case strings.IndexByte("([{", b) >= 0:
			end, err := c.skipBrackets(i)
			if err != nil {
				return expression{}, err
			}
			i = end
		case b == '"' || b == '\'':
			end, err := c.skipQuotes(i)
			if err != nil {
				return expression{}, err
			}
			i = end
		case isNameByte(b):
			start := i
			for i < len(c.src) && isNameByte(c.src[i]) {
				i++
			}
			words = append(words, string(c.src[start:i]))
		default:
			i++
		}
	}
	return expression{end: i, ternary: isTernary(words)}, nil
}

// isTernary reports whether an expression is that of #if $a then b else c.
func isTernary(words []string) bool {
	return slices.Contains(words, "then") && slices.Contains(words, "else")
}

// skipBrackets returns the offset behind the bracket that matches the one at at.
func (c *cheetah) skipBrackets(at int) (int, error) {
	var open []byte
	for i := at; i < len(c.src); {
		switch b := c.src[i]; b {
		case '(', '[', '{':
			open = append(open, b)
		case ')', ']', '}':
			if pair := string(open[len(open)-1]) + string(b); !strings.Contains("() [] {}", pair) {
				return 0, edit.Errorf(c.src, i, "%c where the %c of line %d must be closed first", b, open[len(open)-1], edit.Line(c.src, at))
			}
			if open = open[:len(open)-1]; len(open) == 0 {
				return i + 1, nil
			}
		case '"', '\'':
			end, err := c.skipQuotes(i)
			if err != nil {
				return 0, err
			}
			i = end
			continue
		}
		i++
	}
	return 0, edit.Errorf(c.src, at, "%c is never closed", c.src[at])
}

// skipQuotes returns the offset behind a Python string.
func (c *cheetah) skipQuotes(at int) (int, error) {
	quote := c.src[at]
	for i := at + 1; i < len(c.src) && c.src[i] != '\n'; i++ {
		switch c.src[i] {
		case quote:
			return i + 1, nil
		case '\\':
			i++
		}
	}
	return 0, edit.Errorf(c.src, at, "%c is never closed", quote)
}

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' || b == '_' }

func isNameByte(b byte) bool { return isLetter(b) || b >= '0' && b <= '9' }

func endOfLine(src []byte) int {
	if i := bytes.IndexByte(src, '\n'); i >= 0 {
		return i
	}
	return len(src)
}
