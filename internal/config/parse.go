package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxDepth is far more than the file has, and far less than what overflows the YAML
// parser's stack, which recover does not catch.
const maxDepth = 50

// Parse decodes the bytes of a file; name is the file's, for errors. Keys that it
// omits are as in Default, but for the mode, which is ModeEnforce then. An empty file,
// as a power cut may leave it, is Default like a missing one. All mistakes are returned,
// as Errors, unless the file is not YAML.
func Parse(name string, b []byte) (c Config, err error) {
	defer func() {
		if r := recover(); r != nil {
			c, err = Config{}, fmt.Errorf("%s: the YAML parser gave up: %v", name, r)
		}
	}()
	if len(b) == 0 {
		return Default(), nil
	}
	text := normalize(b)
	d := &decoder{name: name, lines: strings.Split(text, "\n"), anchors: map[string]ast.Node{}}
	c = omitted()
	if root := d.parse(text); root != nil {
		d.config(root, &c)
	}
	if len(d.errs) > 0 {
		return Config{}, d.errs
	}
	return c, nil
}

// normalize takes off a byte order mark and makes every line end a line feed, of
// the three that YAML knows.
func normalize(b []byte) string {
	text := strings.TrimPrefix(string(b), "\ufeff")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.ReplaceAll(text, "\r", "\n")
}

// parse returns the root of the file; nil where there is none or after a mistake.
func (d *decoder) parse(text string) ast.Node {
	if pos, ok := invalidUTF8(text); !ok {
		d.failAt(pos, "this is not UTF-8 text")
		return nil
	}
	tokens := lexer.Tokenize(text)
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

// invalidUTF8 returns where the text is not UTF-8, or true.
func invalidUTF8(text string) (token.Position, bool) {
	line, column := 1, 1
	for i, r := range text {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
				return token.Position{Line: line, Column: column}, false
			}
		}
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return token.Position{}, true
}
