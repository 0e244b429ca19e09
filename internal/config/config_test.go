package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// everyKey sets each key to something else than its default.
const everyKey = `
mode: observe
existing: sync
gateway:
  listen: /run/a
  upstream: /run/b
  on_refusal: error
rules:
  - name: lab tenants
    match:
      name: i-*
      bridge: [br1*, br2]
      network: ["*"]
      project: 0123
      user: [admin]
      flavor: m1.tiny
      image: 70a599e0-*
      extra_specs: {"netboot:on": "true"}
      image_properties: {os_type: linux}
    boot: keep
    only_if: blank-disk
    filterref: replace:no-mac-spoofing
    kernel: drop
    ipxe_kernel: false
    rng: add
    unprepared: deny
files:
  - {path: /a, kind: dnsmasq}
metrics: {listen: ":9178"}
log: {level: debug, format: json}
`

func TestParseEveryKey(t *testing.T) {
	got, err := Parse("config.yaml", []byte(everyKey))
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Mode:     ModeObserve,
		Existing: ExistingSync,
		Gateway:  Gateway{Listen: "/run/a", Upstream: "/run/b", OnRefusal: RefusalError},
		Rules: []domainxml.Rule{{
			Name: "lab tenants",
			Match: domainxml.Match{
				Name:            []string{"i-*"},
				Bridge:          []string{"br1*", "br2"},
				Network:         []string{"*"},
				Project:         []string{"0123"},
				User:            []string{"admin"},
				Flavor:          []string{"m1.tiny"},
				Image:           []string{"70a599e0-*"},
				ExtraSpecs:      map[string]string{"netboot:on": "true"},
				ImageProperties: map[string]string{"os_type": "linux"},
			},
			Boot:       domainxml.BootKeep,
			OnlyIf:     domainxml.OnlyIfBlankDisk,
			Filterref:  domainxml.Filterref{Action: domainxml.FilterrefReplace, Filter: "no-mac-spoofing"},
			Kernel:     domainxml.KernelDrop,
			IPXEKernel: false,
			RNG:        domainxml.RNGAdd,
			Unprepared: domainxml.UnpreparedDeny,
		}},
		Files:   []File{{Path: "/a", Kind: KindDnsmasq}},
		Metrics: Metrics{Listen: ":9178"},
		Log:     Log{Level: LevelDebug, Format: FormatJSON},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// A key that is added to the types and not to the schema shows here.
	for _, v := range []any{got, got.Gateway, got.Rules[0].Match, got.Files[0], got.Metrics, got.Log} {
		for i, s := 0, reflect.ValueOf(v); i < s.NumField(); i++ {
			if s.Field(i).IsZero() {
				t.Errorf("%s.%s has no key in everyKey", s.Type(), s.Type().Field(i).Name)
			}
		}
	}
}

func TestParseDefaults(t *testing.T) {
	named := func(name string, edit func(*domainxml.Rule)) domainxml.Rule {
		r := domainxml.DefaultRule()
		r.Name = name
		if edit != nil {
			edit(&r)
		}
		return r
	}
	with := func(edit func(*Config)) Config {
		c := Default()
		c.Mode = ModeEnforce
		edit(&c)
		return c
	}
	enforced := with(func(*Config) {})
	for _, test := range []struct {
		name, in string
		want     Config
	}{
		{"empty file", "", Default()},
		{"comments only", "# nothing\n---\n# here\n", enforced},
		{"byte order mark", "\ufeffrules: []", with(func(c *Config) { c.Rules = []domainxml.Rule{} })},
		{"empty sections", "gateway:\nmetrics:\nlog:\n", enforced},
		{"no rule", "rules: []", with(func(c *Config) { c.Rules = []domainxml.Rule{} })},
		{"no file", "files: []", with(func(c *Config) { c.Files = []File{} })},
		{"the modes of the defaults", "mode: observe\nexisting: keep\ngateway: {on_refusal: original}\n", Default()},
		{"no metrics", `metrics: {listen: ""}`, with(func(c *Config) { c.Metrics.Listen = "" })},
		{"one key of a section", "log: {format: json}", with(func(c *Config) { c.Log.Format = FormatJSON })},
		{
			"omitted keys in the middle of a list",
			"rules:\n- {name: a, kernel: drop, ipxe_kernel: false}\n- boot: keep\n- {name: c, filterref: keep}\n",
			with(func(c *Config) {
				c.Rules = []domainxml.Rule{
					named("a", func(r *domainxml.Rule) { r.Kernel, r.IPXEKernel = domainxml.KernelDrop, false }),
					named("rule 2", func(r *domainxml.Rule) { r.Boot = domainxml.BootKeep }),
					named("c", func(r *domainxml.Rule) { r.Filterref.Action = domainxml.FilterrefKeep }),
				}
			}),
		},
		{
			"many flow lists beside each other",
			"rules:\n" + strings.Repeat("- {name: a, match: {project: [b]}}\n", 2*maxDepth),
			with(func(c *Config) {
				a := named("a", func(r *domainxml.Rule) { r.Match.Project = []string{"b"} })
				c.Rules = slices.Repeat([]domainxml.Rule{a}, 2*maxDepth)
			}),
		},
		{
			"an alias",
			"rules:\r\n- match: {project: &lab [lab-*, test]}\r\n- match: {user: *lab}\r\n",
			with(func(c *Config) {
				lab := []string{"lab-*", "test"}
				c.Rules = []domainxml.Rule{
					named("rule 1", func(r *domainxml.Rule) { r.Match.Project = lab }),
					named("rule 2", func(r *domainxml.Rule) { r.Match.User = lab }),
				}
			}),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse("config.yaml", []byte(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestParseMistakes compares what is said about testdata/mistakes.yaml with
// mistakes.txt.
func TestParseMistakes(t *testing.T) {
	in, err := os.ReadFile("testdata/mistakes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/mistakes.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse("mistakes.yaml", in)
	var mistakes Errors
	if !errors.As(err, &mistakes) {
		t.Fatalf("error is a %T, not Errors: %v", err, err)
	}
	got := mistakes.Detail() + "\n"
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestParseNotYAML(t *testing.T) {
	for _, test := range []struct {
		name, in, want string
		line, column   int
	}{
		{"tab", "log:\n\tlevel: info\n", "character '\t'", 2, 1},
		{"open list", "rules: [", "not YAML", 1, 8},
		{"star", "rules:\n- match:\n    name: *\n", "a glob that begins with * or [ must be in quotes", 3, 11},
		{"not UTF-8", "rules: []\n# \xff\n", "UTF-8", 2, 3},
		{"carriage returns", "log:\r  level: x\r", "is not one of", 2, 10},
		{"Windows line ends", "log:\r\n  level: x\r\n", "is not one of", 2, 10},
		{"two documents", "rules: []\n---\nfiles: []\n", "second document", 2, 1},
		{"a string", "hello", "must be keys with values", 1, 1},
		{"brackets", strings.Repeat("[", 1000), "nested more than", 1, maxDepth + 1},
		{"dashes", strings.Repeat("- ", 1000), "nested more than", 1, 2*maxDepth + 1},
		{"alias of itself", "rules: &r *r", "not YAML", 1, 11},
		{"list within itself", "rules: &r [*r]", "must be keys with values, not a list", 1, 11},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("config.yaml", []byte(test.in))
			var mistake *Error
			if !errors.As(err, &mistake) {
				t.Fatalf("error is a %T, not an *Error: %v", err, err)
			}
			if !strings.Contains(mistake.Message, test.want) {
				t.Errorf("%q does not say %q", mistake.Message, test.want)
			}
			if mistake.Line != test.line || mistake.Column != test.column {
				t.Errorf("at %d:%d, want %d:%d", mistake.Line, mistake.Column, test.line, test.column)
			}
		})
	}
}

func TestDetailOfALongLine(t *testing.T) {
	e := Error{File: "f", Line: 1, Column: 101, Message: "m", Source: strings.Repeat("a", 100) + "X" + strings.Repeat("b", 100)}
	want := "f:1:101: m\n" +
		"    1 | …" + strings.Repeat("a", 60) + "X" + strings.Repeat("b", 59) + "…\n" +
		"      | " + strings.Repeat(" ", 61) + "^"
	if diff := cmp.Diff(want, e.Detail()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNearest(t *testing.T) {
	words := []string{"name", "match", "boot", "filterref", "kernel", "ipxe_kernel", "unprepared"}
	for in, want := range map[string]string{
		"nmae": "name", "mach": "match", "filter_ref": "filterref", "ipxe-kernel": "ipxe_kernel",
		"kernal": "kernel", "bot": "boot", "mode": "", "": "", "x": "",
	} {
		if got := nearest(in, words); got != want {
			t.Errorf("nearest(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestNearestOfSeveral(t *testing.T) {
	if got := nearest("metric", []string{"matrix", "metrics", "metricks"}); got != "metrics" {
		t.Errorf("nearest is %q", got)
	}
	if got := nearest("usr", []string{"use", "user"}); got != "use" {
		t.Errorf("the first of two that are as near is %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"boot", "boot", 0}, {"bot", "boot", 1}, {"boots", "boot", 1}, {"book", "boot", 1},
		{"nmae", "name", 1}, {"", "name", 4}, {"name", "", 4}, {"kernel", "filterref", 6},
	} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

func TestIsHostPort(t *testing.T) {
	for in, want := range map[string]bool{
		"127.0.0.1:9178": true, ":9178": true, "[::1]:9178": true, "node1:0": true, "[fe80::1%eth0]:1": true,
		"9178": false, "127.0.0.1": false, "::1:9178": false, "[::1]": false, "[node]:1": false,
		"node:65536": false, "node:http": false, "node:-1": false, "node:": false, "http://node:1": false, "a b:1": false,
	} {
		if got := isHostPort(in); got != want {
			t.Errorf("isHostPort(%q) = %v", in, got)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	missing, bad := filepath.Join(dir, "missing.yaml"), filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("log: {level: loud}"), 0o600); err != nil {
		t.Fatal(err)
	}

	got, err := Load(missing)
	if err != nil {
		t.Fatalf("a missing file: %v", err)
	}
	if diff := cmp.Diff(Default(), got); diff != "" {
		t.Errorf("a missing file, -want +got:\n%s", diff)
	}
	if _, err := Read(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of a missing file: %v", err)
	}
	var mistake *Error
	if _, err := Load(bad); !errors.As(err, &mistake) || mistake.File != bad {
		t.Errorf("Load of a bad file: %v", err)
	}
	if _, err := Load(dir); err == nil {
		t.Error("Load of a directory: no error")
	}
	if _, err := Load("/dev/zero"); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("Load of /dev/zero: %v", err)
	}
}

// TestPackagedFile: the packaged file has the defaults.
func TestPackagedFile(t *testing.T) {
	got, err := Read("../../packaging/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestPolicyObserves: the policy has the file's mode.
func TestPolicyObserves(t *testing.T) {
	for mode, want := range map[Mode]bool{ModeEnforce: false, ModeObserve: true} {
		c := Default()
		c.Mode = mode
		if got := c.Policy(); got.Observe != want || len(got.Rules) != 1 {
			t.Errorf("%s: %+v", mode, got)
		}
	}
}

func TestParseBootNIC(t *testing.T) {
	for _, c := range []struct {
		yaml string
		want domainxml.BootNIC
		err  string
	}{
		{"first", domainxml.BootNIC{}, ""},
		{"all", domainxml.BootNIC{All: true}, ""},
		{`{bridge: "br2*"}`, domainxml.BootNIC{Bridge: "br2*"}, ""},
		{`{mac: "fa:16:*"}`, domainxml.BootNIC{MAC: "fa:16:*"}, ""},
		{`{network: "pxe-*"}`, domainxml.BootNIC{Network: "pxe-*"}, ""},
		{`{dev: eth1}`, domainxml.BootNIC{Dev: "eth1"}, ""},
		{`{hostdev: "0000:4b:00.*"}`, domainxml.BootNIC{Hostdev: "0000:4b:00.*"}, ""},
		{"second", domainxml.BootNIC{}, `"second" is not one of first, all, {bridge: GLOB}, {network: GLOB}, {dev: GLOB}, {mac: GLOB}, {hostdev: GLOB}`},
		{`{bridge: a, mac: b}`, domainxml.BootNIC{}, "must be one of first, all"},
		{`{}`, domainxml.BootNIC{}, "must be one of first, all"},
		{`{bridge: "["}`, domainxml.BootNIC{}, "is not a glob"},
	} {
		cfg, err := Parse("c.yaml", []byte("rules:\n- boot_nic: "+c.yaml+"\n"))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", c.yaml, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.yaml, err)
			continue
		}
		if got := cfg.Rules[0].BootNIC; got != c.want {
			t.Errorf("%s: %+v, want %+v", c.yaml, got, c.want)
		}
	}
}
