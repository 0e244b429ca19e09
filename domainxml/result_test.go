package domainxml

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWarningKinds: a kind that the list lacks would be in no metric and no alert.
func TestWarningKinds(t *testing.T) {
	file, err := goparser.ParseFile(token.NewFileSet(), "result.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []WarningKind
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "WarningKind" {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		declared = append(declared, WarningKind(text))
		return true
	})
	if diff := cmp.Diff(declared, WarningKinds()); diff != "" {
		t.Errorf("declared and listed: -want +got:\n%s", diff)
	}
}
