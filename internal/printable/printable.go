// Package printable escapes text of others for a terminal and a log. What a tenant calls
// an instance or puts into a DHCP answer must neither control the operator's terminal
// nor look like lines of virt-netboot's.
package printable

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line is the text on one line: every white space is a blank, and unprintable
// characters are escaped as in Go, such as \x1b.
func Line(s string) string {
	return escape(s, func(r rune) (rune, bool) { return ' ', unicode.IsSpace(r) })
}

// Lines is as Line, with line ends and tabs kept.
func Lines(s string) string {
	return escape(s, func(r rune) (rune, bool) { return r, r == '\n' || r == '\t' })
}

// escape escapes unprintable runes, unless space has another rune for them.
func escape(s string, space func(rune) (rune, bool)) string {
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		as, isSpace := space(r)
		switch {
		case isSpace:
			b.WriteRune(as)
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
		s = s[size:]
	}
	return b.String()
}
