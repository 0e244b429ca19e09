package xmltree

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// reference resolves the reference at the beginning of s, such as &amp; or &#x41;, and
// returns its length, or 0 when there is none.
func reference(s string) (rune, int) {
	end := strings.IndexByte(s[:min(len(s), 12)], ';')
	if end < 2 {
		return 0, 0
	}
	switch name := s[1:end]; name {
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "amp":
		return '&', end + 1
	case "apos":
		return '\'', end + 1
	case "quot":
		return '"', end + 1
	default:
		return charReference(name, end+1)
	}
}

func charReference(name string, length int) (rune, int) {
	digits, ok := strings.CutPrefix(name, "#")
	if !ok {
		return 0, 0
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	if err != nil || !allowed(rune(n)) {
		return 0, 0
	}
	return rune(n), length
}

// Unescape resolves the references in text or an attribute's value.
func Unescape(s string) string {
	if strings.IndexByte(s, '&') < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		if r, n := reference(s); s[0] == '&' && n > 0 {
			b.WriteRune(r)
			s = s[n:]
			continue
		}
		b.WriteByte(s[0])
		s = s[1:]
	}
	return b.String()
}

// lineEnds ends each line of text with a line feed (XML 1.0, section 2.11).
func lineEnds(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
}

// spaces has a space for each line end and tab of an attribute's value (XML 1.0, section
// 3.3.3).
func spaces(s string) string {
	if !strings.ContainsAny(s, "\r\n\t") {
		return s
	}
	return strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ", "\t", " ").Replace(s)
}

// Escape escapes a value for an attribute in either kind of quotes.
func Escape(s string) string {
	if !strings.ContainsAny(s, "&<>'\"") {
		return s
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&apos;", `"`, "&quot;").Replace(s)
}

// allowed is the production Char of XML 1.0.
func allowed(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r':
		return true
	case r < 0x20, 0xd800 <= r && r <= 0xdfff, r == 0xfffe, r == 0xffff, r > utf8.MaxRune:
		return false
	}
	return true
}

func invalidChar(s []byte) int {
	for i, c := range s {
		if c < 0x20 && !isSpace(c) {
			return i
		}
		if c == 0xef && (hasPrefix(s[i:], "\ufffe") || hasPrefix(s[i:], "\uffff")) {
			return i
		}
	}
	return -1
}

func invalidUTF8(s []byte) int {
	at := 0
	for at < len(s) {
		r, n := utf8.DecodeRune(s[at:])
		if r == utf8.RuneError && n == 1 {
			return at
		}
		at += n
	}
	return at
}
