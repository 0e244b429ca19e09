package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxDepth is far more than the file has, and far less than what overflows the
// stack of the YAML parser, which no recover catches.
const maxDepth = 50

// Parse decodes the bytes of a file; name is the file's, for errors. Nothing in
// it is Default. The mistakes come as Errors, all of them unless the file is
// not even YAML.
func Parse(name string, b []byte) (c Config, err error) {
	defer func() {
		if r := recover(); r != nil {
			c, err = Config{}, fmt.Errorf("%s: the YAML parser gave up: %v", name, r)
		}
	}()
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	d := &decoder{name: name, lines: strings.Split(string(b), "\n"), anchors: map[string]ast.Node{}}
	c = Default()
	if root := d.parse(b); root != nil {
		d.config(root, &c)
	}
	if len(d.errs) > 0 {
		return Config{}, d.errs
	}
	return c, nil
}

// parse returns the root of the file, nil where there is none or after a mistake.
func (d *decoder) parse(b []byte) ast.Node {
	if pos, ok := invalidUTF8(b); !ok {
		d.failAt(pos, "this is not UTF-8 text")
		return nil
	}
	tokens := lexer.Tokenize(string(b))
	if t := tooDeep(tokens); t != nil {
		d.failAt(*t.Position, fmt.Sprintf("nested more than %d deep", maxDepth))
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return nil
	}
	switch len(file.Docs) {
	case 0:
		return nil
	case 1:
		return d.resolve(file.Docs[0].Body)
	}
	d.failAt(docStart(file.Docs[1]), "a second document; the file has only one")
	return nil
}

// syntax reports what the YAML parser did not understand.
func (d *decoder) syntax(err error) {
	var at interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if !errors.As(err, &at) || at.GetToken() == nil {
		d.failAt(token.Position{Line: 1, Column: 1}, "not YAML: "+err.Error())
		return
	}
	pos, message := *at.GetToken().Position, "not YAML: "+at.GetMessage()
	d.failAt(pos, message)
	if e := d.errs[len(d.errs)-1]; strings.ContainsAny(e.Source, "*[") {
		e.Message += "; a glob that begins with * or [ must be in quotes"
	}
}

func docStart(doc *ast.DocumentNode) token.Position {
	if doc.Start != nil {
		return *doc.Start.Position
	}
	return start(doc.Body)
}

// tooDeep returns the first token that is nested too deep: in brackets, or in
// dashes of one line, each at least two columns after the other.
func tooDeep(tokens token.Tokens) *token.Token {
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			if t.Position.Column > 2*maxDepth {
				return t
			}
		}
		if depth > maxDepth {
			return t
		}
	}
	return nil
}

// invalidUTF8 returns where b stops being UTF-8, or true.
func invalidUTF8(b []byte) (token.Position, bool) {
	line, column := 1, 1
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			return token.Position{Line: line, Column: column}, false
		}
		b = b[n:]
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return token.Position{}, true
}
