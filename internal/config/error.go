package config

import (
	"fmt"
	"strings"
)

// Error is one mistake in a configuration file.
type Error struct {
	File         string
	Line, Column int    // from 1; the column counts characters, not bytes
	Message      string // what is wrong there and what is allowed
	Source       string // the line itself, without its end
}

// Error is the mistake on one line, in the form that editors jump to:
// FILE:LINE:COLUMN: MESSAGE.
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// Detail is the mistake with the line it is in and a caret under the spot.
func (e *Error) Detail() string {
	number := fmt.Sprintf("%5d", e.Line)
	margin := strings.Repeat(" ", len(number))
	before, after := e.window()
	return fmt.Sprintf("%s\n%s | %s%s\n%s | %s^", e.Error(), number, before, after, margin, blank(before))
}

// maxContext is how many characters of a long line Detail shows on either side
// of the caret.
const maxContext = 60

// window is the part of the line to show before the caret, and the part after it.
func (e *Error) window() (before, after string) {
	line := []rune(e.Source)
	at := min(max(e.Column-1, 0), len(line))
	before, after = string(line[:at]), string(line[at:])
	if at > maxContext {
		before = "…" + string(line[at-maxContext:at])
	}
	if len(line)-at > maxContext {
		after = string(line[at:at+maxContext]) + "…"
	}
	return before, after
}

// blank is white space as wide as s. Tabs stay tabs, since their width depends on the
// terminal.
func blank(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, s)
}

// Errors are all mistakes in a configuration file, in the order of their lines.
type Errors []*Error

// Error has a line for each mistake.
func (e Errors) Error() string { return e.join((*Error).Error) }

// Detail has the Detail of each mistake.
func (e Errors) Detail() string { return e.join((*Error).Detail) }

// Unwrap lets errors.As find the first *Error.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = e[i]
	}
	return errs
}

func (e Errors) join(form func(*Error) string) string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = form(e[i])
	}
	return strings.Join(lines, "\n")
}
