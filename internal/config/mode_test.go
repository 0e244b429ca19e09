package config

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSetMode: there and back, a file is what it was, and nothing else of it changes.
func TestSetMode(t *testing.T) {
	for _, test := range []struct {
		name, in, enforce, observe string // observe is what comes of enforce
	}{
		{"no file", "", "mode: enforce\n", "mode: observe\n"},
		{"the key alone", "mode: observe\n", "mode: enforce\n", "mode: observe\n"},
		{"enforced already", "mode: enforce\n", "mode: enforce\n", "mode: observe\n"},
		{"comments", "# a\nmode: observe  # b: observe\n# c\n", "# a\nmode: enforce  # b: observe\n# c\n", "# a\nmode: observe  # b: observe\n# c\n"},
		{"quotes", "rules: []\n'mode': \"observe\"\n", "rules: []\n'mode': \"enforce\"\n", "rules: []\n'mode': \"observe\"\n"},
		{"line ends of Windows", "# a\r\nmode: observe\r\nrules: []\r\n", "# a\r\nmode: enforce\r\nrules: []\r\n", "# a\r\nmode: observe\r\nrules: []\r\n"},
		{"byte order mark", "\ufeffmode: observe\n", "\ufeffmode: enforce\n", "\ufeffmode: observe\n"},
		{"beyond ASCII", "# größer: mode: observe\nmode: observe # größer\n", "# größer: mode: observe\nmode: enforce # größer\n", "# größer: mode: observe\nmode: observe # größer\n"},
		{"a document's start", "---\nmode: observe\n", "---\nmode: enforce\n", "---\nmode: observe\n"},
		{"no final line end", "mode: observe", "mode: enforce", "mode: observe"},
		{"on a line of its own", "mode:\n  observe\n", "mode:\n  enforce\n", "mode:\n  observe\n"},
		{"without the key", "# a\nrules: [] # b\n", "# a\nrules: [] # b\n", "# a\nrules: [] # b\nmode: observe\n"},
		{"without the key, indented", "  rules: []\n  files: []\n", "  rules: []\n  files: []\n", "  rules: []\n  files: []\n  mode: observe\n"},
		{"without the key and a final line end", "rules:\n- name: a", "rules:\n- name: a", "rules:\n- name: a\nmode: observe\n"},
		{"without the key, Windows", "rules: []\r\n", "rules: []\r\n", "rules: []\r\nmode: observe\r\n"},
		{"comments alone", "# a\n", "# a\n", "# a\nmode: observe\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, step := range []struct {
				mode     Mode
				in, want string
			}{
				{ModeEnforce, test.in, test.enforce},
				{ModeEnforce, test.enforce, test.enforce},
				{ModeObserve, test.enforce, test.observe},
				{ModeObserve, test.observe, test.observe},
			} {
				got, err := SetMode("config.yaml", []byte(step.in), step.mode)
				if err != nil {
					t.Fatalf("%s in %q: %v", step.mode, step.in, err)
				}
				if diff := cmp.Diff(step.want, string(got)); diff != "" {
					t.Errorf("%s in %q: -want +got:\n%s", step.mode, step.in, diff)
				}
			}
		})
	}
}

// TestSetModePackaged: of the packaged file, one word changes.
func TestSetModePackaged(t *testing.T) {
	b, err := os.ReadFile("../../packaging/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := SetMode("config.yaml", b, ModeEnforce)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(string(b), "\nmode: observe\n", "\nmode: enforce\n", 1)
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestSetModeRefuses: what it does not know how to edit, it leaves.
func TestSetModeRefuses(t *testing.T) {
	const byHand = "set mode: enforce in it by hand"
	for in, want := range map[string]string{
		"mode: obs":                        `"obs" is not one of`,
		"mode: &m observe\n":               byHand,
		"mode: >\n  observe\n":             `is not one of`,
		"{mode: observe}\n":                byHand,
		"mode: |-\n  observe\n":            byHand,
		"rules: nonsense\nmode: observe\n": "must be a list",
	} {
		got, err := SetMode("config.yaml", []byte(in), ModeEnforce)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", in, err, want)
		}
		if got != nil {
			t.Errorf("%q: it makes %q of it", in, got)
		}
	}
	if _, err := SetMode("config.yaml", []byte("mode: enforce\n...\n"), ModeObserve); err != nil {
		t.Errorf("a document's end: %v", err)
	}
	if got, err := SetMode("config.yaml", []byte("rules: []\n...\n"), ModeObserve); err == nil {
		t.Errorf("a line behind a document's end: %q", got)
	}
}

// FuzzSetMode: a file that can be read either gets another mode and nothing else, or an
// error.
func FuzzSetMode(f *testing.F) {
	for _, in := range []string{"mode: observe\n", "rules: []\n", "# a\r\n", "{mode: observe}", "- mode: observe", everyKey} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		before, err := Parse("config.yaml", in)
		if err != nil {
			return
		}
		for _, mode := range []Mode{ModeEnforce, ModeObserve} {
			out, err := SetMode("config.yaml", in, mode)
			if err != nil {
				continue
			}
			after, err := Parse("config.yaml", out)
			if err != nil {
				t.Fatalf("%q became %q: %v", in, out, err)
			}
			before.Mode = mode
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("%q became %q: -want +got:\n%s", in, out, diff)
			}
		}
	})
}
