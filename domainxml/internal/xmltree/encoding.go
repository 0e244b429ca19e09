package xmltree

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"
)

// declaration reads <?xml …?> and checks its encoding.
func (p *parser) declaration() error {
	rest := p.src[p.at:]
	if !hasPrefix(rest, xmlDecl) || len(rest) == len(xmlDecl) || !isSpace(rest[len(xmlDecl)]) {
		return nil
	}
	end := bytes.Index(rest, []byte(piClose))
	if end < 0 {
		return p.fail(p.at, "the XML declaration has no ?>")
	}
	if !wellFormed(string(rest[:end+len(piClose)])) {
		return p.fail(p.at, "not an XML declaration")
	}
	if enc := pseudoAttribute(string(rest[len(xmlDecl):end]), "encoding"); !readable(enc, p.src) {
		return p.encodingError(enc)
	}
	p.at += end + len(piClose)
	return nil
}

// wellFormed reports whether an XML declaration is one (XML 1.0, section 2.8).
func wellFormed(decl string) bool {
	const pattern = `^<\?xml\s+version\s*=\s*('1\.[0-9]'|"1\.[0-9]")` +
		`(\s+encoding\s*=\s*('[A-Za-z][-A-Za-z0-9._]*'|"[A-Za-z][-A-Za-z0-9._]*"))?` +
		`(\s+standalone\s*=\s*('(yes|no)'|"(yes|no)"))?\s*\?>$`
	return regexp.MustCompile(pattern).MatchString(decl)
}

func (p *parser) encodingError(encoding string) error {
	return p.fail(p.at, "encoding %s is not read; convert the document to UTF-8", encoding)
}

// isUTF16 reports whether a document is in UTF-16: it begins with a byte order mark or,
// without one, with half a < (XML 1.0, appendix F).
func isUTF16(src []byte) bool {
	for _, begin := range []string{"\xff\xfe", "\xfe\xff", "<\x00", "\x00<"} {
		if hasPrefix(src, begin) {
			return true
		}
	}
	return false
}

// readable reports whether a document in that encoding can be read as UTF-8.
func readable(encoding string, src []byte) bool {
	switch enc := strings.ToLower(encoding); {
	case enc == "", enc == "utf-8", enc == "utf8":
		return true
	case enc == "us-ascii", enc == "ascii", strings.HasPrefix(enc, "iso-8859-"):
		return bytes.IndexFunc(src, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	}
	return false
}

// pseudoAttribute returns the value of name in the text of an XML declaration.
func pseudoAttribute(decl, name string) string {
	_, after, ok := strings.Cut(decl, name)
	if !ok {
		return ""
	}
	after = strings.TrimLeft(after, " \t\r\n=")
	if after == "" {
		return ""
	}
	value, _, _ := strings.Cut(after[1:], after[:1])
	return value
}
