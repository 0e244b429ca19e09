package domainxml_test

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// TestUndo runs the documents of testdata/undo, one behaviour a file: domains that were
// rewritten, and edited by a client since. A file has these parts:
//
//	do      "revert", the default; "revert unmarked"; "revert running"; or "apply", under
//	        a policy that does nothing else
//	filters the nwfilters that libvirt has, as in TestRules
//	in.xml  the document
//	out.xml what must come out
//	says    the changes, a line each
//
// go test ./domainxml -update writes the last two.
func TestUndo(t *testing.T) {
	files, err := filepath.Glob("testdata/undo/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents in testdata/undo: %v", err)
	}
	update := flag.Lookup("update").Value.String() == "true"
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := behaviour{t: t, archive: archive}
			got := c.undo(c.get("in.xml"))
			if update {
				c.set("out.xml", string(got.Output))
				c.set("says", says(got))
				writeFile(t, file, txtar.Format(archive))
				return
			}
			if diff := cmp.Diff(c.get("out.xml"), string(got.Output)); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.get("says"), says(got)); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if again := c.undo(string(got.Output)); again.Changed() {
				t.Errorf("once more it changes %v", again.Changes)
			}
		})
	}
}

func (c behaviour) undo(doc string) domainxml.Result {
	c.t.Helper()
	d := parsed(c.t, doc)
	switch c.word("do") {
	case "":
		return c.must(domainxml.Rewriter{NWFilter: c.nwfilter}.Revert(d, true, domainxml.Inactive))
	case "revert unmarked":
		return c.must(d.Revert(false, domainxml.Inactive))
	case "revert running":
		return c.must(domainxml.Rewriter{NWFilter: c.nwfilter}.Revert(d, true, domainxml.Running))
	case "apply":
		return c.must(domainxml.Rewriter{}.Rewrite(d.Applied(), domainxml.Inactive))
	}
	c.t.Fatalf("do %q", c.word("do"))
	return domainxml.Result{}
}
