package manual

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/packaging"
)

// TestKeys: every key that a configuration may have is in the packaged one, and so
// in virt-netboot.yaml(5), with each value that it may have; and no other.
func TestKeys(t *testing.T) {
	keys, err := parseKeys(packaging.Config)
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, k := range keys {
		section := k.value == "" && k.items == nil // told of by its keys
		if len(k.text) == 0 && !section {
			t.Errorf("%s: nothing is said of it", k.path)
		}
		said[k.path] = strings.Join(append(k.text, k.items...), " ")
	}
	accepted := acceptedKeys(t)
	for path, values := range accepted {
		text, ok := said[path]
		if !ok { // one of a value in braces
			dot := strings.LastIndex(path, ".")
			text = said[path[:max(dot, 0)]]
			ok = strings.Contains(text, path[dot+1:]+":")
		}
		if !ok {
			t.Errorf("%s: it is not there", path)
			continue
		}
		for _, v := range values {
			if !strings.Contains(text, v) {
				t.Errorf("%s: it may be %s, and that is not said in %q", path, v, text)
			}
		}
	}
	for path := range said {
		if _, ok := accepted[path]; !ok {
			t.Errorf("%s: there is no such key", path)
		}
	}
	if len(accepted) < 30 {
		t.Errorf("only %d keys were found", len(accepted))
	}
}

// acceptedKeys are the keys of a configuration with the values that one may have
// where these are few. The program that reads it tells them itself when it refuses
// others.
func acceptedKeys(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	refusal := func(yaml string) string {
		_, err := config.Parse("config.yaml", []byte(yaml))
		if err == nil {
			return ""
		}
		return err.Error()
	}
	allowed := regexp.MustCompile(`unknown key "other" \(allowed: (.*)\)`)
	choice := regexp.MustCompile(`"other" is not one of (.*)`)
	var visit func(path string, at func(value string) string)
	visit = func(path string, at func(value string) string) {
		if strings.Contains(refusal(at("{other: 1}")), "must be a list") {
			outer := at
			at = func(value string) string { return outer("[" + value + "]") }
		}
		if m := choice.FindStringSubmatch(refusal(at("other"))); m != nil {
			found[path] = strings.Split(m[1], ", ")
		}
		m := allowed.FindStringSubmatch(refusal(at("{other: 1}")))
		if m == nil {
			return
		}
		for key := range strings.SplitSeq(m[1], ", ") {
			below := strings.TrimPrefix(path+"."+key, ".")
			found[below] = nil
			visit(below, func(value string) string { return at("{" + key + ": " + value + "}") })
		}
	}
	visit("", func(value string) string { return value })
	return found
}

func TestParseKeys(t *testing.T) {
	got, err := parseKeys(`# About the file.
#
#     an example

# The mode.
mode: enforce  # or observe

# Of nothing.

# A section
# in two lines.
section:
  - name: a
    # One with an example.
    #match:
    #  # In it.
    #  project: [lab-*]  # of Nova
    boot: keep
files:
  - {path: /a}
  - {path: /b}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []key{
		{path: "mode", value: "enforce", text: []string{"The mode.", "or observe"}},
		{path: "section", text: []string{"A section", "in two lines."}},
		{path: "section.name", indent: 4, value: "a"},
		{path: "section.match", indent: 4, text: []string{"One with an example."}},
		{path: "section.match.project", indent: 6, value: "[lab-*]", text: []string{"In it.", "of Nova"}},
		{path: "section.boot", indent: 4, value: "keep"},
		{path: "files", items: []string{"- {path: /a}", "- {path: /b}"}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(key{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := parseKeys("#\n\nmode = enforce\n"); err == nil {
		t.Error("no error for a line that is no key")
	}
}
