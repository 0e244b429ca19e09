package xmltree

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// SyntaxError is the error for a document that cannot be read, which is never changed.
type SyntaxError struct {
	Line, Column int // both from 1; columns count bytes
	Message      string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// ErrorAt is a SyntaxError at an offset of a document.
func ErrorAt(src []byte, offset int, format string, args ...any) error {
	before := src[:min(offset, len(src))]
	return &SyntaxError{
		Line:    1 + bytes.Count(before, []byte("\n")),
		Column:  len(before) - bytes.LastIndexByte(before, '\n'),
		Message: fmt.Sprintf(format, args...),
	}
}

// maxDepth is how deep elements nest at most: libxml2's xmlParserMaxDepth,
// beyond which libvirt does not read a document either.
const maxDepth = 256

// maxElements is how many elements and attributes a document has at most, which is
// far more than any guest's has: it bounds the work that a document makes.
const maxElements = 100_000

// surelySmall reports whether a document cannot have more elements and attributes than
// it may. It only counts characters.
func surelySmall(src []byte) bool {
	count := func(s string) int { return bytes.Count(src, []byte(s)) }
	return count("<")-count(endTagOpen)+count("=") <= maxElements
}

// CheckSize returns an error for a document, otherwise readable, that is too large to be
// read.
func CheckSize(src []byte) error {
	if surelySmall(src) {
		return nil
	}
	_, err := Parse(src)
	return err
}

const (
	byteOrder    = "\ufeff"
	xmlDecl      = "<?xml"
	commentOpen  = "<!--"
	commentClose = "-->"
	cdataOpen    = "<![CDATA["
	cdataClose   = "]]>"
	piOpen       = "<?"
	piClose      = "?>"
	endTagOpen   = "</"
)

// Parse reads a whole document. It is strict where libvirt could read the document
// differently: a document type declaration, an encoding other than UTF-8 or ASCII, or an
// entity other than XML's own five is a [SyntaxError].
func Parse(src []byte) (*Document, error) {
	p := parser{src: src, str: string(src)}
	if err := p.run(); err != nil {
		return nil, err
	}
	return &Document{Src: src, str: p.str, Root: p.root}, nil
}

type parser struct {
	src  []byte
	str  string // the same, of which names and values are parts
	slab []Element
	at   int
	root *Element
	open *Element // the innermost element that is not closed yet
	deep int
	size int // elements and attributes
	// names are the attributes of the tag that is being read, once it has many.
	names map[string]bool
}

func (p *parser) run() error {
	if isUTF16(p.src) {
		return p.encodingError("UTF-16")
	}
	p.at = len(p.src) - len(bytes.TrimPrefix(p.src, []byte(byteOrder)))
	if err := p.declaration(); err != nil {
		return err
	}
	if !utf8.Valid(p.src) {
		return p.fail(invalidUTF8(p.src), "not UTF-8")
	}
	for p.at < len(p.src) {
		if err := p.next(); err != nil {
			return err
		}
	}
	switch {
	case p.open != nil:
		return p.fail(p.at, "the document ends inside <%s>, which line %d opens", p.open.Name, lineOf(p.src, p.open.Start))
	case p.root == nil:
		return p.fail(p.at, "no element in the document")
	}
	return nil
}

func (p *parser) fail(offset int, format string, args ...any) error {
	return ErrorAt(p.src, offset, format, args...)
}

// next reads one piece: text, a tag, a comment, CDATA, a processing instruction.
func (p *parser) next() error {
	rest := p.src[p.at:]
	switch {
	case rest[0] != '<':
		return p.charData()
	case hasPrefix(rest, commentOpen):
		return p.comment()
	case hasPrefix(rest, cdataOpen):
		if p.open == nil {
			return p.fail(p.at, "text outside the root element")
		}
		return p.upTo(cdataOpen, cdataClose, "CDATA section")
	case hasPrefix(rest, piOpen):
		name := nameAt(p.str, p.at+len(piOpen))
		if name == "" || strings.EqualFold(name, "xml") {
			return p.fail(p.at, "an XML declaration that is not at the beginning, or a processing instruction without a name")
		}
		if after := rest[len(piOpen)+len(name):]; !hasPrefix(after, piClose) && (len(after) == 0 || !isSpace(after[0])) {
			return p.fail(p.at, "no space behind the name of a processing instruction")
		}
		return p.upTo(piOpen, piClose, "processing instruction")
	case hasPrefix(rest, "<!"):
		return p.fail(p.at, "document type declarations are not read")
	case hasPrefix(rest, endTagOpen):
		return p.endTag()
	}
	return p.startTag()
}

func (p *parser) upTo(opening, closing, what string) error {
	n := bytes.Index(p.src[p.at+len(opening):], []byte(closing))
	if n < 0 {
		return p.fail(p.at, "a %s has no end", what)
	}
	end := p.at + len(opening) + n
	if i := invalidChar(p.src[p.at:end]); i >= 0 {
		return p.fail(p.at+i, "a character that XML does not allow")
	}
	p.at = end + len(closing)
	return nil
}

func (p *parser) comment() error {
	body := p.src[p.at+len(commentOpen):]
	if n := bytes.Index(body, []byte("--")); n >= 0 && !hasPrefix(body[n:], commentClose) {
		return p.fail(p.at+len(commentOpen)+n, "-- inside a comment")
	}
	return p.upTo(commentOpen, commentClose, "comment")
}

func (p *parser) charData() error {
	end := bytes.IndexByte(p.src[p.at:], '<')
	if end < 0 {
		end = len(p.src) - p.at
	}
	text := p.src[p.at : p.at+end]
	if p.open == nil && len(bytes.Trim(text, " \t\r\n")) > 0 {
		return p.fail(p.at, "text outside the root element")
	}
	if i := bytes.Index(text, []byte(cdataClose)); i >= 0 {
		return p.fail(p.at+i, "]]> in text")
	}
	if err := p.checkText(p.at, text); err != nil {
		return err
	}
	p.at += end
	return nil
}

// checkText accepts text or an attribute's value: only characters that XML
// allows and references that unescape can resolve.
func (p *parser) checkText(offset int, text []byte) error {
	if i := invalidChar(text); i >= 0 {
		return p.fail(offset+i, "a character that XML does not allow")
	}
	for i := bytes.IndexByte(text, '&'); i >= 0; {
		if _, n := reference(p.str[offset+i : offset+len(text)]); n == 0 {
			return p.fail(offset+i, "an & that begins no known reference")
		}
		next := bytes.IndexByte(text[i+1:], '&')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return nil
}

func (p *parser) space() {
	for p.at < len(p.src) && isSpace(p.src[p.at]) {
		p.at++
	}
}

func (p *parser) eat(c byte) bool {
	if p.at < len(p.src) && p.src[p.at] == c {
		p.at++
		return true
	}
	return false
}

func hasPrefix(s []byte, prefix string) bool {
	return len(s) >= len(prefix) && string(s[:len(prefix)]) == prefix
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// nameAt returns the XML name at an offset, "" when there is none. It takes the
// ASCII names and any letter beyond ASCII.
func nameAt(src string, at int) string {
	end := at
	for end < len(src) && isNameByte(src[end], end == at) {
		end++
	}
	return src[min(at, len(src)):end]
}

func isNameByte(c byte, first bool) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_', c >= utf8.RuneSelf:
		return true
	case '0' <= c && c <= '9', c == '-', c == '.', c == ':':
		return !first
	}
	return false
}

func lineOf(src []byte, offset int) int { return 1 + bytes.Count(src[:offset], []byte("\n")) }
