// Package printable makes text that others wrote fit for a terminal and a log: what
// a tenant calls an instance or puts into a DHCP answer must neither talk to the
// operator's terminal nor look like lines of ours.
package printable

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line is the text on one line: every white space is a blank, and what is not
// printable is written as Go does, as in \x1b.
func Line(s string) string {
	return escape(s, func(r rune) (rune, bool) { return ' ', unicode.IsSpace(r) })
}

// Lines is the text with its line ends and tabs, and else as Line has it.
func Lines(s string) string {
	return escape(s, func(r rune) (rune, bool) { return r, r == '\n' || r == '\t' })
}

// escape writes the text with those runes that are not printable escaped, unless
// space has another for them.
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
