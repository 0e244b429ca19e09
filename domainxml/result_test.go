package domainxml

import (
	"bytes"
	"encoding/json"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWarningKinds: the list has every kind, since metrics and alerts use the list.
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

// TestJSON: the JSON of changes and warnings is a contract, since scripts read it.
func TestJSON(t *testing.T) {
	for want, v := range map[string]any{
		`{"kind":"boot-order","from":"hd","to":"network, hd","text":"boot order network, hd instead of hd"}`: Change{Kind: ChangeBootOrder, From: "hd", To: "network, hd"},
		`{"kind":"filterref-removed","interface":"52:54:00:00:00:01","from":"a","to":"","text":"filterref a removed from interface 52:54:00:00:00:01"}`: Change{
			Kind: ChangeFilterrefRemoved, Interface: "52:54:00:00:00:01", From: "a",
		},
		`{"kind":"kernel","kernel":"/k","initrd":"/i","text":"boots kernel /k with initrd /i directly: the boot order is ignored and iPXE never runs; set kernel: drop in its rule to boot it from the network"}`: Warning{
			Kind: WarningKernel, Kernel: "/k", Initrd: "/i",
		},
		`{"kind":"filter-variable","interface":"#1","filter":"f","variables":["IP","GATEWAY_MAC"],"text":"interface #1 keeps its filterref, as the nwfilter f needs IP and GATEWAY_MAC, with which it could not start; name another in its rule, or give it a <parameter> of that name"}`: Warning{
			Kind: WarningFilterVariable, Interface: "#1", Filter: "f", Variables: []string{"IP", "GATEWAY_MAC"},
		},
		`{"kind":"disk-unread","disk":"vda","reason":"gone","text":"tries the network first although its disk vda may have an operating system: the disk cannot be read (only_if: blank-disk): gone"}`: Warning{
			Kind: WarningDiskUnread, Disk: "vda", Reason: "gone",
		},
	} {
		var got bytes.Buffer
		enc := json.NewEncoder(&got)
		enc.SetEscapeHTML(false) // as the commands write it
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want+"\n", got.String()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}
