package novatemplate_test

import (
	"encoding"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/agent/resync/edit"
	"github.com/virt-netboot/virt-netboot/agent/resync/novatemplate"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/testing/edittest"
)

func TestMain(m *testing.M) { edittest.Main(m) }

// TestEdit runs the templates of testdata. Their parts boot and filterref are
// the rule's, where they differ from the default.
func TestEdit(t *testing.T) {
	for _, c := range edittest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			rule := domainxml.DefaultRule()
			set(t, &rule.Boot, c.Part("boot"))
			set(t, &rule.Filterref, c.Part("filterref"))
			c.Check(t, withRule(rule))
		})
	}
}

func set(t *testing.T, key encoding.TextUnmarshaler, text string) {
	t.Helper()
	if text == "" {
		return
	}
	if err := key.UnmarshalText([]byte(strings.TrimSpace(text))); err != nil {
		t.Fatal(err)
	}
}

func withRule(rule domainxml.Rule) func([]byte) (edit.Result, error) {
	return func(src []byte) (edit.Result, error) { return novatemplate.Edit(src, rule) }
}

// TestReleases patches Nova's own templates: outside the lines of the boot
// order and the filterrefs they stay as they are, and a second time changes
// nothing.
func TestReleases(t *testing.T) {
	ruled := regexp.MustCompile(`(?s) *<boot dev="network" />\n| *<filterref.*?</filterref>\n`)
	want := map[string]string{
		"2010.1-qemu": "0 boots, 1 filterrefs, kernel in line 5",
		"2011.1":      "1 boots, 1 filterrefs, kernel in line 9, 23, 27",
		"2011.2":      "1 boots, 1 filterrefs, kernel in line 14, 28, 32",
		"2011.3":      "1 boots, 1 filterrefs, kernel in line 12, 26, 30",
		"2012.1":      "1 boots, 1 filterrefs, kernel in line 14, 34, 38",
	}
	for _, file := range releases(t) {
		release := strings.TrimSuffix(filepath.Base(file), ".xml.template")
		stock := readFile(t, file)
		edittest.CheckTwice(t, []byte(stock), withRule(domainxml.DefaultRule()))
		res, err := novatemplate.Edit([]byte(stock), domainxml.DefaultRule())
		if err != nil {
			t.Fatalf("%s: %v", release, err)
		}
		if diff := cmp.Diff(ruled.ReplaceAllString(stock, ""), ruled.ReplaceAllString(string(res.Output), "")); diff != "" {
			t.Errorf("%s changed elsewhere (-stock +patched):\n%s", release, diff)
		}
		if diff := cmp.Diff(want[release], summary(res)); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", release, diff, edittest.Says(res, nil))
		}
	}
}

// releases are the templates of Nova's releases, as Nova's source has them.
func releases(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/releases/*.template")
	if err != nil || len(files) == 0 {
		t.Fatalf("no template in testdata/releases: %v", err)
	}
	return files
}

// summary counts what Edit did to a template.
func summary(res edit.Result) string {
	said := edittest.Says(res, nil)
	kernels := ""
	if len(res.Notes) == 1 {
		_, kernels, _ = strings.Cut(res.Notes[0].Text, "<kernel> in line ")
	}
	return fmt.Sprintf("%d boots, %d filterrefs, kernel in line %s",
		strings.Count(said, "boot from the network"), strings.Count(said, "removed"), strings.TrimSuffix(kernels, ")"))
}

// TestCheetahAgrees asks Cheetah itself whether the templates of testdata are
// templates: those that are patched must be, before and after, and those that
// have an error of Cheetah's must not be.
func TestCheetahAgrees(t *testing.T) {
	refused := regexp.MustCompile(`-(if-not|end-of|bracket|quote)`)
	left := regexp.MustCompile(`error-|python-format`)
	var texts, wants, names []string
	ask := func(name, text, want string) {
		texts, names, wants = append(texts, text), append(names, name), append(wants, want)
	}
	for _, c := range edittest.Cases(t) {
		switch {
		case refused.MatchString(c.Name):
			ask(c.Name, c.Part("in"), "no")
		case !left.MatchString(c.Name):
			ask(c.Name, c.Part("in"), "yes")
			ask(c.Name+" patched", c.Part("out"), "yes")
		}
	}
	for i, got := range cheetah(t)(t, job{Compile: texts}) {
		if got != wants[i] {
			t.Errorf("%s: Cheetah reads it as a template: %s, want %s", names[i], got, wants[i])
		}
	}
}

func FuzzEdit(f *testing.F) {
	for _, file := range releases(f) {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, c := range edittest.Cases(f) {
		f.Add([]byte(c.Part("in")))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		edittest.CheckTwice(t, in, withRule(domainxml.DefaultRule()))
	})
}
