package novatemplate

import (
	"slices"

	"github.com/virt-netboot/virt-netboot/agent/resync/edit"
)

// directive is one of Cheetah's, from its # to the end of its expression.
type directive struct {
	start, end int
	opens      string // "if" where a block of that name begins
	ends       bool   // #end
	closes     string // what #end ends: "if"
	divides    bool   // #else and the like: another part of the block begins
	inline     bool   // #if $a: text, a block that ends with its line
}

func (c *cheetah) checkBalance() error {
	open, err := balance(c.src, c.directives)
	if err == nil && len(open) > 0 {
		last := open[len(open)-1]
		err = edit.Errorf(c.src, last.start, "#%s without its #end %[1]s", last.opens)
	}
	return err
}

// balance returns the directives that are still open behind the last one.
func balance(src []byte, directives []directive) ([]directive, error) {
	var open []directive
	for _, d := range directives {
		switch {
		case d.opens != "":
			open = append(open, d)
		case !d.ends:
		case !isBlock(d.closes):
			return nil, edit.Errorf(src, d.start, "#end without the name of a block")
		case len(open) == 0:
			return nil, edit.Errorf(src, d.start, "#end %s with nothing to end", d.closes)
		case open[len(open)-1].opens != d.closes:
			last := open[len(open)-1]
			return nil, edit.Errorf(src, d.start, "#end %s where the #%s of line %d must end first", d.closes, last.opens, edit.Line(src, last.start))
		default:
			open = open[:len(open)-1]
		}
	}
	return open, nil
}

// The directives of Cheetah (directiveNamesAndParsers in its Parser.py): those
// that need an #end, the further parts of such a block, those without a text of
// their own, and those that this package cannot follow.
func blocks() []string {
	return []string{"if", "unless", "for", "while", "repeat", "try", "def", "block", "closure", "cache", "call", "capture", "filter"}
}

func branches() []string { return []string{"else", "elif", "except", "finally"} }

func simple() []string {
	return append(branches(), "set", "del", "pass", "break", "continue", "stop", "return", "yield", "assert", "raise",
		"silent", "echo", "slurp", "import", "from", "include", "attr", "arg", "extends", "implements", "super", "encoding")
}

func opaque() []string {
	return []string{"raw", "compiler", "compiler-settings", "defmacro", "breakpoint", "errorCatcher", "transform", "shBang", "i18n"}
}

// isDirective reports whether the # that src begins with is that of a directive.
func isDirective(src []byte) bool {
	name := directiveName(src[1:])
	return name == "end" || isBlock(name) || slices.Contains(simple(), name)
}

func isBlock(name string) bool { return slices.Contains(blocks(), name) }

func directiveName(src []byte) string {
	i := 0
	for i < len(src) && (isNameByte(src[i]) || src[i] == '-') {
		i++
	}
	return string(src[:i])
}
