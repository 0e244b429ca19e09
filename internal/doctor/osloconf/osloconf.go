// Package osloconf reads the configuration of an OpenStack service as oslo.config
// does (oslo_config/iniparser.py and cfg.py):
//
//	var c osloconf.Config
//	err := c.Add("/etc/nova/nova.conf", text) // later files override
//	…
//	value, ok, err := c.Get("libvirt.connection_uri", "DEFAULT.libvirt_uri")
//
// Only what the files and the environment say is known here, not the defaults
// that the service's own code gives to its options.
package osloconf

import (
	"fmt"
	"strings"
	"unicode"
)

// DefaultGroup is the section of the options that belong to no other.
const DefaultGroup = "DEFAULT"

// Config is what the files added so far say. The zero value is empty.
type Config struct {
	// Getenv looks up a variable of the service's environment, whose
	// OS_GROUP__OPTION override the files. nil means there is none.
	Getenv func(name string) (value string, ok bool)

	files []map[key]Value // the last added first
}

type key struct{ group, option string }

// Value is what an option is set to.
type Value struct {
	Text string
	// File and Line, from 1, are where; a variable of the environment is a file
	// without a line.
	File string
	Line int
}

// SyntaxError is a line for which oslo.config refuses the whole file.
type SyntaxError struct {
	File    string
	Line    int // from 1
	Message string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message) }

// Add reads the text of a file. What it sets overrides what files before it set.
// Of a file that it cannot read, with a *SyntaxError, nothing holds.
func (c *Config) Add(file, text string) error {
	p := parser{file: file, values: make(map[key]Value)}
	if err := p.parse(text); err != nil {
		return err
	}
	c.files = append([]map[key]Value{p.values}, c.files...)
	return nil
}

// normalGroup is the name of a group whatever its case is in the file.
func normalGroup(name string) string {
	if name == DefaultGroup {
		return name
	}
	return strings.ToLower(name)
}

// parser reads one file.
type parser struct {
	file   string
	group  string // "" before the first section
	option string // the one that a further line continues; "" for none
	values map[key]Value
}

func (p *parser) parse(text string) error {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	for i, line := range strings.Split(text, "\n") {
		if message := p.line(i+1, strings.TrimRightFunc(line, unicode.IsSpace)); message != "" {
			return &SyntaxError{File: p.file, Line: i + 1, Message: message}
		}
	}
	return nil
}

// line reads one line without the white space at its end, and returns what is
// wrong with it.
func (p *parser) line(number int, line string) string {
	switch {
	case line == "":
		p.option = ""
		return ""
	case line[0] == ' ' || line[0] == '\t':
		return p.continuation(strings.TrimLeftFunc(line, unicode.IsSpace))
	}
	p.option = ""
	switch line[0] {
	case '[':
		return p.section(line)
	case '#', ';':
		return ""
	}
	return p.assignment(number, line)
}

func (p *parser) continuation(text string) string {
	if p.option == "" {
		return "a line that begins with white space continues no option"
	}
	k := key{p.group, p.option}
	v := p.values[k]
	v.Text += "\n" + text
	p.values[k] = v
	return ""
}

func (p *parser) section(line string) string {
	name, ok := strings.CutSuffix(line[1:], "]")
	if !ok {
		return "a section must end with ]"
	}
	if name == "" {
		return "a section must have a name"
	}
	p.group = normalGroup(name)
	return ""
}

func (p *parser) assignment(number int, line string) string {
	at := strings.IndexAny(line, "=:")
	if at < 0 {
		return "there is no = or : in it"
	}
	option := strings.TrimSpace(line[:at])
	switch {
	case option == "":
		return "an option must have a name"
	case p.group == "":
		return "an option must be in a section"
	}
	p.option = option
	p.values[key{p.group, option}] = Value{Text: unquote(strings.TrimSpace(line[at+1:])), File: p.file, Line: number}
	return ""
}

// unquote takes one pair of quotes away. A single quote character is a pair to
// oslo.config too.
func unquote(s string) string {
	if s == "" || s[0] != s[len(s)-1] || s[0] != '"' && s[0] != '\'' {
		return s
	}
	if len(s) == 1 {
		return ""
	}
	return s[1 : len(s)-1]
}
