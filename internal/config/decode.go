package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// decoder goes through the nodes of a file, puts their values where the schema
// says and collects the mistakes.
type decoder struct {
	name    string // of the file
	lines   []string
	key     string // the mapping key whose value is being decoded
	anchors map[string]ast.Node
	errs    Errors
}

// field is one allowed key of a mapping and what takes its value.
type field struct {
	key    string
	decode func(ast.Node)
}

func (d *decoder) fail(n ast.Node, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if d.key != "" {
		message = d.key + ": " + message
	}
	d.failAt(start(n), message)
}

func (d *decoder) failAt(pos token.Position, message string) {
	e := &Error{File: d.name, Line: pos.Line, Column: pos.Column, Message: message}
	if i := pos.Line - 1; i >= 0 && i < len(d.lines) {
		e.Source = d.lines[i]
	}
	d.errs = append(d.errs, e)
}

// section is mapping for one that may be empty, which means the same as leaving it out.
func (d *decoder) section(n ast.Node, fields []field) {
	if isNull(n) {
		return
	}
	d.mapping(n, fields)
}

// mapping hands each value to its field and returns the keys that were there,
// or nil when n is no mapping.
func (d *decoder) mapping(n ast.Node, fields []field) map[string]bool {
	values, ok := d.entries(n)
	if !ok {
		d.fail(n, "must be keys with values, not %s (allowed: %s)", describe(n), allowed(fields))
		return nil
	}
	seen := make(map[string]bool, len(values))
	for _, v := range values {
		key := keyText(v.Key)
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == key })
		switch {
		case i < 0:
			d.fail(v.Key, "%s", unknownKey(key, fields))
		case seen[key]:
			d.fail(v.Key, "the key %q is there twice", key)
		default:
			seen[key] = true
			d.within(key, v.Value, fields[i].decode)
		}
	}
	return seen
}

func (d *decoder) within(key string, value ast.Node, decode func(ast.Node)) {
	outer := d.key
	d.key = key
	if value = d.resolve(value); value != nil {
		decode(value)
	}
	d.key = outer
}

// entries are the pairs of a mapping.
func (d *decoder) entries(n ast.Node) ([]*ast.MappingValueNode, bool) {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		return nil, false
	}
	for _, p := range pairs {
		if splitKey(p) {
			d.fail(p.Key, "a key with a colon must be in quotes between braces, and a colon after a key needs a space")
		}
	}
	return pairs, true
}

// splitKey reports whether the YAML parser ended a plain key at a colon within it, as
// it does with {hw:boot: x}.
func splitKey(p *ast.MappingValueNode) bool {
	colon, value := p.Start.Position, start(p.Value)
	return p.Key.GetToken().Type == token.StringType && value.Line == colon.Line && value.Column == colon.Column+1 && !isNull(p.Value)
}

// list returns the items of a list. what names them in the error.
func (d *decoder) list(n ast.Node, what string) ([]ast.Node, bool) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fail(n, "must be a list of %s, not %s", what, describe(n))
		return nil, false
	}
	var items []ast.Node
	for _, item := range seq.Values {
		if item = d.resolve(item); item != nil {
			items = append(items, item)
		}
	}
	return items, true
}

// resolve follows anchors and aliases. It returns nil after a mistake.
func (d *decoder) resolve(n ast.Node) ast.Node {
	switch n := n.(type) {
	case *ast.AnchorNode:
		// The name is known only after its value: &a *a must not refer to itself.
		v := d.resolve(n.Value)
		if v != nil {
			d.anchors[n.Name.GetToken().Value] = v
		}
		return v
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		v := d.anchors[name]
		if v == nil {
			d.fail(n, "no &%s before this *%s; a glob that begins with * must be in quotes, as in \"*%s\"", name, name, name)
		}
		return v
	case *ast.TagNode:
		d.fail(n, "no tag, such as %s, is needed in this file", n.GetToken().Value)
		return nil
	}
	return n
}

func isNull(n ast.Node) bool {
	_, null := n.(*ast.NullNode)
	return null
}

func keyText(key ast.MapKeyNode) string {
	if s, ok := key.(*ast.StringNode); ok {
		return s.Value
	}
	return key.GetToken().Value
}

// start is where a node begins; a mapping's own token is its first colon.
func start(n ast.Node) token.Position {
	switch m := n.(type) {
	case *ast.MappingValueNode:
		n = m.Key
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			n = m.Values[0].Key
		}
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return *t.Position
	}
	return token.Position{Line: 1, Column: 1}
}

func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys with values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	}
	return fmt.Sprintf("%q", n.GetToken().Value)
}

func unknownKey(key string, fields []field) string {
	hint := ""
	if near := nearest(key, keys(fields)); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Sprintf("unknown key %q%s (allowed: %s)", key, hint, allowed(fields))
}

func keys(fields []field) []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return keys
}

func allowed(fields []field) string { return strings.Join(keys(fields), ", ") }
