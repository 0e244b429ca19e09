package novatemplate_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/virt-netboot/virt-netboot/agent/resync/edit"
	"github.com/virt-netboot/virt-netboot/agent/resync/novatemplate"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/corpus"
)

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write what the tests want")
	flag.Parse()
	os.Exit(m.Run())
}

// TestEdit runs the templates of testdata, one behaviour a file:
//
//	filterref  the rule's filterref, where it is not remove
//	boot       the rule's boot, where it is not network-first
//	in         the template
//	out        what must come out
//	says       changes, notes or the error, a line each
func TestEdit(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates in testdata: %v", err)
	}
	update := flag.Lookup("update").Value.String() == "true"
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in := part(archive, "in")
			if strings.HasSuffix(file, "crlf.txtar") {
				in = strings.ReplaceAll(in, "\n", "\r\n")
			}
			rule := readRule(t, archive)
			res, err := novatemplate.Edit([]byte(in), rule)
			out := strings.ReplaceAll(string(res.Output), "\r\n", "\n")
			if update {
				setPart(archive, "out", out)
				setPart(archive, "says", says(res, err))
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(part(archive, "out"), out); diff != "" {
				t.Errorf("template (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(part(archive, "says"), says(res, err)); diff != "" {
				t.Errorf("says (-want +got):\n%s", diff)
			}
			if in != part(archive, "in") && strings.Count(string(res.Output), "\n") != strings.Count(string(res.Output), "\r\n") {
				t.Errorf("line ends are mixed: %q", res.Output)
			}
			checkTwice(t, in, res, err, rule)
		})
	}
}

// TestReleases patches Nova's own templates: outside the lines of the boot
// order and the filterrefs they stay as they are, and a second time changes
// nothing.
func TestReleases(t *testing.T) {
	ruled := regexp.MustCompile(`(?s) *<boot dev="network" />\n| *<filterref.*?</filterref>\n`)
	want := map[string]string{
		"2010.1-qemu": "0 boots, 1 filterrefs, kernel in line 5",
		"2011.1":      "1 boots, 1 filterrefs, kernel in line 9",
		"2011.2":      "1 boots, 1 filterrefs, kernel in line 14",
		"2011.3":      "1 boots, 1 filterrefs, kernel in line 12",
		"2012.1":      "1 boots, 1 filterrefs, kernel in line 14",
	}
	for _, file := range corpus.Files(t, corpus.NovaTemplates, ".template") {
		release := strings.TrimSuffix(filepath.Base(file), ".xml.template")
		stock := readFile(t, file)
		res, err := novatemplate.Edit([]byte(stock), domainxml.DefaultRule())
		if err != nil {
			t.Fatalf("%s: %v", release, err)
		}
		checkTwice(t, stock, res, err, domainxml.DefaultRule())
		if diff := cmp.Diff(ruled.ReplaceAllString(stock, ""), ruled.ReplaceAllString(string(res.Output), "")); diff != "" {
			t.Errorf("%s changed elsewhere (-stock +patched):\n%s", release, diff)
		}
		if diff := cmp.Diff(want[release], summary(res)); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", release, diff, says(res, nil))
		}
	}
}

// TestCheetahAgrees asks Cheetah itself whether the templates of testdata are
// templates: those that are patched must be, before and after, and those that
// have an error of Cheetah's must not be.
func TestCheetahAgrees(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	errors := regexp.MustCompile(`-(if-not|end-of|bracket|quote)`)
	others := regexp.MustCompile(`error-|python-format`)
	var jobs []job
	var wants, names []string
	ask := func(name, text, want string) {
		jobs, names, wants = append(jobs, job{Compile: &text}), append(names, name), append(wants, want)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case errors.MatchString(file):
			ask(file, part(archive, "in"), "no")
		case !others.MatchString(file):
			ask(file, part(archive, "in"), "yes")
			ask(file+" patched", part(archive, "out"), "yes")
		}
	}
	for i, got := range cheetah(t, jobs) {
		if got != wants[i] {
			t.Errorf("%s: Cheetah reads it as a template: %s, want %s", names[i], got, wants[i])
		}
	}
}

func checkTwice(t *testing.T, in string, res edit.Result, err error, rule domainxml.Rule) {
	t.Helper()
	if (string(res.Output) == in) != (len(res.Changes) == 0) {
		t.Errorf("changed: %v, reported: %v", string(res.Output) != in, res.Changes)
	}
	if err != nil {
		return
	}
	again, err := novatemplate.Edit(res.Output, rule)
	if diff := cmp.Diff(string(res.Output), string(again.Output)); err != nil || diff != "" || len(again.Changes) > 0 {
		t.Errorf("a second time: %v, %v (-first +second):\n%s", err, again.Changes, diff)
	}
}

func FuzzEdit(f *testing.F) {
	for _, file := range corpus.Files(f, corpus.NovaTemplates, ".template") {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		res, err := novatemplate.Edit(in, domainxml.DefaultRule())
		checkTwice(t, string(in), res, err, domainxml.DefaultRule())
	})
}
