// Package edittest runs editors on documents beside their expected result.
package edittest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/virt-netboot/virt-netboot/agent/resync/edit"
)

// Main runs the tests of a package, with a flag -update that writes what they
// want.
func Main(m *testing.M) {
	flag.Bool("update", false, "write what the tests want")
	flag.Parse()
	os.Exit(m.Run())
}

// Case is one file of testdata, with these parts:
//
//	in    the text; in a file named *crlf.txtar with the line ends of DOS, in
//	      *no-final-newline.txtar without its last
//	out   what must come out
//	says  changes, notes, what is to do and the error, a line each
type Case struct {
	Name    string
	archive *txtar.Archive
}

// Cases reads testdata/*.txtar.
func Cases(t testing.TB) []*Case {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("nothing in testdata: %v", err)
	}
	var cases []*Case
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, &Case{strings.TrimSuffix(filepath.Base(file), ".txtar"), archive})
	}
	return cases
}

// Part is a part of the file, "" where it has none of that name.
func (c *Case) Part(name string) string {
	for _, f := range c.archive.Files {
		if f.Name == name {
			return c.lineEnds(name, string(f.Data))
		}
	}
	return ""
}

func (c *Case) lineEnds(part, text string) string {
	switch {
	case strings.HasSuffix(c.Name, "crlf") && part != "says":
		return strings.ReplaceAll(text, "\n", "\r\n")
	case strings.HasSuffix(c.Name, "no-final-newline") && part == "in":
		return strings.TrimSuffix(text, "\n")
	}
	return text
}

// Check holds the result of an editor on the part in against the case.
func (c *Case) Check(t *testing.T, editor func(src []byte) (edit.Result, error)) {
	t.Helper()
	res, err := editor([]byte(c.Part("in")))
	if flag.Lookup("update").Value.String() == "true" {
		c.update(t, res, err)
		return
	}
	if diff := cmp.Diff(c.Part("out"), string(res.Output)); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(c.Part("says"), Says(res, err)); diff != "" {
		t.Errorf("says (-want +got):\n%s", diff)
	}
	CheckTwice(t, []byte(c.Part("in")), editor)
}

func (c *Case) update(t *testing.T, res edit.Result, err error) {
	kept := c.archive.Files[:0]
	for _, f := range c.archive.Files {
		if f.Name != "out" && f.Name != "says" {
			kept = append(kept, f)
		}
	}
	out := strings.ReplaceAll(string(res.Output), "\r\n", "\n")
	c.archive.Files = append(kept, txtar.File{Name: "out", Data: []byte(out)}, txtar.File{Name: "says", Data: []byte(Says(res, err))})
	if err := os.WriteFile("testdata/"+c.Name+".txtar", txtar.Format(c.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// CheckTwice is what must hold for any editor and text: it reports a change
// where it makes one, and changes nothing more the second time or with an error.
func CheckTwice(t *testing.T, src []byte, editor func(src []byte) (edit.Result, error)) {
	t.Helper()
	res, err := editor(src)
	if (string(res.Output) == string(src)) != (len(res.Changes) == 0) {
		t.Errorf("changed: %v, reported: %v", string(res.Output) != string(src), res.Changes)
	}
	if err != nil {
		if len(res.Changes) > 0 {
			t.Errorf("changes with an error: %v, %v", res.Changes, err)
		}
		return
	}
	again, err := editor(res.Output)
	if diff := cmp.Diff(string(res.Output), string(again.Output)); err != nil || diff != "" || len(again.Changes) > 0 {
		t.Errorf("a second time: %v, %v (-first +second):\n%s", err, again.Changes, diff)
	}
}

// Says is what an editor says, a line each.
func Says(res edit.Result, err error) string {
	var b strings.Builder
	for _, c := range res.Changes {
		fmt.Fprintln(&b, "change:", c)
	}
	for _, n := range res.Notes {
		fmt.Fprintln(&b, "note:", n)
	}
	if res.Todo != "" {
		fmt.Fprintln(&b, "todo:", res.Todo)
	}
	if err != nil {
		fmt.Fprintln(&b, "error:", err)
	}
	return b.String()
}
