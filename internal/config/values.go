package config

import (
	"encoding"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// text returns the string of a scalar as it is in the file, also of a number or a
// boolean: a project named 0123 keeps its zero.
func (d *decoder) text(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.NullNode:
	case ast.ScalarNode:
		return n.GetToken().Value, true
	}
	d.fail(n, "must be a string, not %s", describe(n))
	return "", false
}

// checked takes a string that check accepts. check may be nil.
func (d *decoder) checked(dst *string, check func(string) error) func(ast.Node) {
	return func(n ast.Node) {
		s, ok := d.text(n)
		if !ok {
			return
		}
		if check != nil {
			if err := check(s); err != nil {
				d.fail(n, "%v", err)
				return
			}
		}
		*dst = s
	}
}

// unmarshal takes a string that dst unmarshals.
func (d *decoder) unmarshal(dst encoding.TextUnmarshaler) func(ast.Node) {
	return func(n ast.Node) {
		s, ok := d.text(n)
		if !ok {
			return
		}
		if err := dst.UnmarshalText([]byte(s)); err != nil {
			d.fail(n, "%v", err)
		}
	}
}

// choice takes one of the values.
func choice[T ~string](d *decoder, dst *T, values ...T) func(ast.Node) {
	return func(n ast.Node) {
		s, ok := d.text(n)
		if !ok {
			return
		}
		if !slices.Contains(values, T(s)) {
			d.fail(n, "%q is not one of %s", s, join(values))
			return
		}
		*dst = T(s)
	}
}

func (d *decoder) boolean(dst *bool) func(ast.Node) {
	return func(n ast.Node) {
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.fail(n, "must be true or false, not %s", describe(n))
			return
		}
		*dst = b.Value
	}
}

// globs takes a list of globs, or a single one.
func (d *decoder) globs(dst *[]string) func(ast.Node) {
	return func(n ast.Node) {
		items := []ast.Node{n}
		if _, one := n.(ast.ScalarNode); !one || isNull(n) {
			var ok bool
			if items, ok = d.list(n, "globs"); !ok {
				return
			}
		}
		if len(items) == 0 {
			d.fail(n, "the list is empty; leave %s out to match every domain", d.key)
		}
		*dst = make([]string, len(items))
		for i, item := range items {
			d.checked(&(*dst)[i], checkGlob)(item)
		}
	}
}

// globMap takes a mapping of any keys to a glob each.
func (d *decoder) globMap(dst *map[string]string) func(ast.Node) {
	return func(n ast.Node) {
		pairs, ok := d.entries(n)
		if !ok {
			d.fail(n, "must be keys with a glob each, not %s", describe(n))
			return
		}
		if len(pairs) == 0 {
			d.fail(n, "there is no key; leave %s out to match every domain", d.key)
		}
		*dst = make(map[string]string, len(pairs))
		for _, e := range pairs {
			key := keyText(e.Key)
			if _, twice := (*dst)[key]; twice {
				d.fail(e.Key, "the key %q is there twice", key)
				continue
			}
			var glob string
			d.within(key, e.Value, d.checked(&glob, checkGlob))
			(*dst)[key] = glob
		}
	}
}

func join[T ~string](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}
