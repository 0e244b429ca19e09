package domainxml_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/testing/corpus"
)

// TestCorpus rewrites the corpus under several rules. For each
// document the output must be the input outside the edits, a second rewrite
// must change nothing, and libvirtxml must read from the output what the typed
// rule makes of the input.
func TestCorpus(t *testing.T) {
	docs := corpus.Documents(t)
	replace := domainxml.Filterref{Action: domainxml.FilterrefReplace, Filter: "virt-netboot-relaxed"}
	rules := map[string]func(*domainxml.Rule){
		"default": func(*domainxml.Rule) {},
		"all":     func(r *domainxml.Rule) { r.BootNIC.All = true },
		"drop":    func(r *domainxml.Rule) { r.Kernel = domainxml.KernelDrop },
		"replace": func(r *domainxml.Rule) { r.Filterref = replace },
		"keep": func(r *domainxml.Rule) {
			r.Boot, r.Filterref.Action = domainxml.BootKeep, domainxml.FilterrefKeep
		},
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		t.Run(name, func(t *testing.T) {
			rule := domainxml.DefaultRule()
			rules[name](&rule)
			f := figures{refused: map[string]int{}}
			for _, d := range docs {
				f.check(t, d, rule)
			}
			t.Logf("%s", f)
			if name == "keep" && f.changed > 0 {
				t.Errorf("%d documents changed, want none", f.changed)
			}
			if name != "keep" && f.changed < len(docs)/2 {
				t.Errorf("only %d documents changed", f.changed)
			}
		})
	}
}

type figures struct {
	documents, changed, otherDriver int
	refused                         map[string]int
}

func (f figures) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d documents, %d changed, %d of another driver, refused:", f.documents, f.changed, f.otherDriver)
	for _, why := range slices.Sorted(maps.Keys(f.refused)) {
		fmt.Fprintf(&b, "\n  %d: %s", f.refused[why], why)
	}
	if len(f.refused) == 0 {
		b.WriteString(" none")
	}
	return b.String()
}

func (f *figures) check(t *testing.T, d corpus.Document, rule domainxml.Rule) {
	f.documents++
	r := domainxml.Rewriter{Policy: domainxml.Policy{Rules: []domainxml.Rule{rule}}}
	res, err := r.Domain(d.XML, domainxml.Inactive)
	if err != nil {
		f.refused[err.Error()]++
		if !bytes.Equal(res.Output, d.XML) {
			t.Errorf("%s: refused but changed", d.Name)
		}
		return
	}
	switch {
	case res.Rule == nil:
		f.otherDriver++
	case res.Changed():
		f.changed++
	}
	checkRewrite(t, d.Name, d.XML, res, r)
}

// checkRewrite checks what must be true of every rewritten document.
func checkRewrite(t *testing.T, name string, src []byte, res domainxml.Result, r domainxml.Rewriter) {
	t.Helper()
	if !res.Changed() && !bytes.Equal(res.Output, src) {
		t.Errorf("%s: nothing reported, but the output differs", name)
	}
	again, err := r.Domain(res.Output, domainxml.Inactive)
	if err != nil || again.Changed() || !bytes.Equal(again.Output, res.Output) {
		t.Errorf("%s: a second rewrite: %v, %v", name, err, again.Changes)
	}
	if diff := cmp.Diff(outsideTheRules(src), outsideTheRules(res.Output)); diff != "" {
		t.Errorf("%s: changed outside the rules (-input +output):\n%s", name, diff)
	}
	want, got := new(libvirtxml.Domain), new(libvirtxml.Domain)
	if want.Unmarshal(string(src)) != nil {
		return
	}
	if err := got.Unmarshal(string(res.Output)); err != nil {
		t.Errorf("%s: libvirtxml cannot read the output: %v", name, err)
		return
	}
	if res.Rule != nil {
		rule := *res.Rule
		if slices.ContainsFunc(res.Warnings, bootRuleDoesNotApply) {
			rule.Boot = domainxml.BootKeep
		}
		applyTyped(want, rule)
	}
	forgetRecord(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-typed rule +output):\n%s", name, diff)
	}
}

func bootRuleDoesNotApply(w domainxml.Warning) bool {
	return slices.Contains([]domainxml.WarningKind{domainxml.WarningBootIndex, domainxml.WarningNoFallback, domainxml.WarningOwnDevice}, w.Kind)
}

// outsideTheRules is a document without the elements that the rules may change, the
// undo record, and the white space before them. The rest stays byte for byte.
func outsideTheRules(doc []byte) string {
	for _, re := range []string{newMetadata, recorded, ruled} {
		doc = regexp.MustCompile(re).ReplaceAll(doc, nil)
	}
	return string(doc)
}

const (
	newMetadata = `(?s)\s*<metadata>\s*<netboot:domain [^>]*metadata="new".*?</netboot:domain>\s*</metadata>`
	recorded    = `(?s)\s*<netboot:domain .*?</netboot:domain>`
	ruled       = `(?s)\s*(<boot\s[^>]*/>|<boot\s[^>]*></boot>|<filterref\s[^>]*/>|<filterref\s.*?</filterref\s*>|` +
		`<kernel>.*?</kernel>|<initrd>.*?</initrd>|<cmdline>.*?</cmdline>|<shim>.*?</shim>)`
)

// forgetRecord removes the undo record from what libvirtxml read.
func forgetRecord(d *libvirtxml.Domain) {
	if d.Metadata == nil {
		return
	}
	rest := regexp.MustCompile(recorded).ReplaceAllString(d.Metadata.XML, "")
	if strings.Contains(d.Metadata.XML, `metadata="new"`) {
		d.Metadata = nil
		return
	}
	d.Metadata.XML = rest
}

// TestCorpusStaysValid validates rewritten documents by libvirt's schema: one that was
// valid before is valid afterwards.
func TestCorpusStaysValid(t *testing.T) {
	const schema = "/usr/share/libvirt/schemas/domain.rng"
	if _, err := exec.LookPath("xmllint"); err != nil || !exists(schema) {
		if os.Getenv("CI") != "" {
			t.Fatalf("needs %s (libvirt0) and xmllint (libxml2-utils)", schema)
		}
		t.Skipf("left out: needs %s (libvirt0) and xmllint (libxml2-utils)", schema)
	}
	rule := domainxml.DefaultRule()
	rule.Kernel = domainxml.KernelDrop
	r := domainxml.Rewriter{Policy: domainxml.Policy{Rules: []domainxml.Rule{rule}}}
	before, after := t.TempDir(), t.TempDir()
	changed := 0
	for i, d := range corpus.Documents(t) {
		res, err := r.Domain(d.XML, domainxml.Inactive)
		if err != nil || !res.Changed() {
			continue
		}
		changed++
		name := fmt.Sprintf("%04d-%s", i, filepath.Base(d.Name))
		writeFile(t, filepath.Join(before, name), d.XML)
		writeFile(t, filepath.Join(after, name), res.Output)
	}
	valid, still := validates(t, schema, before), validates(t, schema, after)
	for _, name := range valid {
		if !slices.Contains(still, name) {
			t.Errorf("%s was valid and is not any more", name)
		}
	}
	t.Logf("%d documents changed, %d of them valid before and %d after", changed, len(valid), len(still))
	if len(valid) < changed/2 {
		t.Errorf("only %d of %d documents are valid at all; is the schema the right one?", len(valid), changed)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// validates returns the names of the files in dir that the schema accepts.
func validates(t *testing.T, schema, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	// xmllint exits with 3 when one of the files is not valid.
	out, _ := exec.Command("xmllint", append([]string{"--noout", "--relaxng", schema}, files...)...).CombinedOutput()
	var valid []string
	for line := range strings.Lines(string(out)) {
		if path, ok := strings.CutSuffix(strings.TrimSpace(line), " validates"); ok {
			valid = append(valid, filepath.Base(path))
		}
	}
	return valid
}
