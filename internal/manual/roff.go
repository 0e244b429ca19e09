package manual

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Page is a manual page.
type Page struct {
	Name    string // of what it is about
	Section int    // of the manual
	Summary string
	blocks  []block
}

// File is the name of the page's file.
func (p Page) File() string { return fmt.Sprintf("%s.%d", p.Name, p.Section) }

// Roff is the page in man(7), as of a version and its date.
func (p Page) Roff(version string, date time.Time) []byte {
	var w roff
	w.line(".TH %s %d %s %s", quote(strings.ToUpper(p.Name)), p.Section, date.UTC().Format(time.DateOnly), quote("virt-netboot "+version))
	w.line(".nr HY 0") // a command or a path that is hyphenated is another one
	w.line(".ad l")
	w.line(".SH NAME")
	w.fill(escape(p.Name) + ` \- ` + escape(p.Summary))
	w.blocks(p.blocks)
	return w.Bytes()
}

// roff is a page under construction.
type roff struct{ bytes.Buffer }

func (w *roff) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

func (w *roff) blocks(blocks []block) {
	afterHeading := true
	for _, b := range blocks {
		switch {
		case b.section != "":
			w.line(".SH %s", quote(b.section))
		case b.subsection != "":
			w.line(".SS %s", quote(b.subsection))
		case b.synopsis != "":
			w.synopsis(b.synopsis)
		case b.paragraph != nil:
			if !afterHeading {
				w.line(".PP")
			}
			w.fill(markUp(strings.Join(b.paragraph, " ")))
		case b.list != nil:
			w.list(b.list)
		case b.example != nil:
			w.example(b.example)
		}
		afterHeading = b.section != "" || b.subsection != ""
	}
}

// synopsis is a command line that breaks only between its arguments.
func (w *roff) synopsis(usage string) {
	command, args, _ := strings.Cut(usage, " ")
	w.line(".SY %s", escape(command))
	depth := 0
	kept := strings.Map(func(r rune) rune {
		switch r {
		case '[':
			depth++
		case ']':
			depth--
		case ' ':
			if depth > 0 {
				return '\u00a0'
			}
		}
		return r
	}, args)
	if kept != "" {
		w.fill(markUpUsage(kept))
	}
	w.line(".YS")
}

func (w *roff) list(items []item) {
	for _, i := range items {
		w.line(".TP")
		w.line("%s", markUpUsage(i.term))
		for n, b := range i.text {
			if n == 0 && b.paragraph != nil {
				w.fill(markUp(strings.Join(b.paragraph, " ")))
				continue
			}
			w.line(".RS")
			w.blocks([]block{b})
			w.line(".RE")
		}
	}
}

func (w *roff) example(lines []string) {
	w.line(".PP")
	w.line(".RS 4")
	w.line(".EX")
	for _, line := range lines {
		w.line("%s", guard(escape(line)))
	}
	w.line(".EE")
	w.line(".RE")
}

// fill writes a text whose line breaks do not count, in lines that are not long.
func (w *roff) fill(text string) {
	const width = 75
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			w.line("%s", guard(line))
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	w.line("%s", guard(line))
}

// escape makes a text one that stands in the page as it is, also to be copied from
// there: a hyphen of an option is a minus sign to roff.
func escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r == '\'':
			b.WriteString(`\(aq`)
		case r == '`':
			b.WriteString(`\(ga`)
		case r == '^':
			b.WriteString(`\(ha`)
		case r == '~':
			b.WriteString(`\(ti`)
		case r == '\u00a0':
			b.WriteString(`\~`)
		case r > '~':
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return strings.ReplaceAll(b.String(), "...", `...\&`) // which ends no sentence
}

// guard keeps a line from being taken for a request.
func guard(line string) string {
	if strings.HasPrefix(line, ".") {
		return `\&` + line
	}
	return line
}

// quote makes a text one argument of a request.
func quote(text string) string { return `"` + strings.ReplaceAll(escape(text), `"`, `\(dq`) + `"` }

// markUp sets options and other pages' names in bold.
func markUp(text string) string {
	return mark(text, regexp.MustCompile(`--[a-z][a-z-]*|\b[a-z][a-z.-]*\([1-8]\)`), func(s string) string {
		name, section, page := strings.Cut(s, "(")
		if page {
			section = "(" + section
		}
		return bold(name) + section
	})
}

// markUpUsage sets what is typed as it stands in bold, and what it stands for in
// italics.
func markUpUsage(text string) string {
	return mark(text, regexp.MustCompile(`[A-Za-z0-9./_-]+[A-Za-z0-9]`), func(s string) string {
		if s != strings.ToLower(s) && s == strings.ToUpper(s) {
			return italic(s)
		}
		return bold(s)
	})
}

// mark escapes a text, of which what matches is formatted.
func mark(text string, re *regexp.Regexp, format func(string) string) string {
	var b strings.Builder
	at := 0
	for _, m := range re.FindAllStringIndex(text, -1) {
		b.WriteString(escape(text[at:m[0]]))
		b.WriteString(format(text[m[0]:m[1]]))
		at = m[1]
	}
	b.WriteString(escape(text[at:]))
	return b.String()
}

func bold(s string) string   { return `\fB` + escape(s) + `\fR` }
func italic(s string) string { return `\fI` + escape(s) + `\fR` }
