package resync

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

const (
	bootHD     = "<boot dev='hd'/>\n"
	bootNet    = "<boot dev='network'/>\n"
	filterA    = "<filterref filter='a'/>\n"
	filterNova = "<filterref filter='nova-${name}'/>\n"
	filterB    = "<filterref filter='b'/>\n"
	stockDoc   = "<domain>\n" + bootHD + filterA + "</domain>\n"
	wantDoc    = "<domain>\n" + bootNet + bootHD + "</domain>\n"
)

func TestDecide(t *testing.T) {
	doc := func(lines ...string) string {
		s := "<domain>\n"
		for _, l := range lines {
			s += l
		}
		return s + "</domain>\n"
	}
	remove, keep := domainxml.DefaultRule(), domainxml.DefaultRule()
	keep.Boot, keep.Filterref.Action = domainxml.BootKeep, domainxml.FilterrefKeep
	replace := domainxml.DefaultRule()
	replace.Filterref = domainxml.Filterref{Action: domainxml.FilterrefReplace, Filter: "b"}
	tests := []decideTest{
		{"first time", remove, stockDoc, none, want{wantDoc, stockDoc}},
		{"in line", remove, wantDoc, stockDoc, want{}},
		{"in line, by hand", remove, wantDoc, none, want{}},
		{"stock came back", remove, stockDoc, stockDoc, want{wantDoc, ""}},
		{"new stock", remove, doc("<a/>\n", bootHD, filterA), stockDoc, want{doc("<a/>\n", bootNet, bootHD), doc("<a/>\n", bootHD, filterA)}},
		{"new stock, with another filterref only", remove, doc(bootHD, filterNova), stockDoc, want{wantDoc, doc(bootHD, filterNova)}},
		{"rule wants another filter", replace, wantDoc, stockDoc, want{doc(bootNet, bootHD, filterB), ""}},
		{"rule wants none any more", remove, doc(bootNet, bootHD, filterB), stockDoc, want{wantDoc, ""}},
		{"rule wants nothing", keep, wantDoc, stockDoc, want{stockDoc, ""}},
		{"rule wants nothing, ever", keep, stockDoc, none, want{}},
		{"boot line taken out", remove, doc(bootHD), stockDoc, want{wantDoc, ""}},
		{"ours with an addition", remove, doc("<a/>\n", bootNet, bootHD), stockDoc, want{}},
		{"ours with an addition and a filterref", remove, doc("<a/>\n", bootNet, bootHD, filterB), stockDoc, want{doc("<a/>\n", bootNet, bootHD), ""}},
		{"stock with the network already", remove, doc("<a/>\n", bootNet, bootHD, filterA), doc(bootNet, bootHD, filterA), want{doc("<a/>\n", bootNet, bootHD), doc("<a/>\n", bootNet, bootHD, filterA)}},
	}
	testDecide(t, config.KindNovaTemplate, tests)
}

func TestDecideDnsmasq(t *testing.T) {
	const stock, edited = "port=0\n", "port=0\ndhcp-userclass=set:ipxe,iPXE\ndhcp-ignore=tag:ipxe\n"
	first, keep := domainxml.DefaultRule(), domainxml.DefaultRule()
	keep.Boot = domainxml.BootKeep
	testDecide(t, config.KindDnsmasq, []decideTest{
		{"first time", first, stock, none, want{edited, stock}},
		{"in line", first, edited, stock, want{}},
		{"stock came back", first, stock, stock, want{edited, ""}},
		{"new stock", first, "port=1\n", stock, want{"port=1\n" + strings.TrimPrefix(edited, stock), "port=1\n"}},
		{"no rule wants it any more", keep, edited, stock, want{stock, ""}},
		{"no rule wants it, and ours was changed", keep, edited + "log-dhcp\n", stock, want{}},
	})
}

const none = "none"

type decideTest struct {
	name          string
	rule          domainxml.Rule
	current, kept string
	want          want
}

type want struct {
	Output string // "" when nothing is to be written
	Stock  string // "" when the kept one stays
}

func testDecide(t *testing.T, kind config.FileKind, tests []decideTest) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var kept []byte
			if tt.kept != none {
				kept = []byte(tt.kept)
			}
			d, err := decide(editorOf(kind), tt.rule, []byte(tt.current), kept)
			if err != nil {
				t.Fatal(err)
			}
			got := want{Stock: string(d.Stock)}
			if d.Write {
				got.Output = string(d.Output)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestDecideLeavesWhatIsNoTemplate(t *testing.T) {
	for _, kept := range [][]byte{nil, []byte(stockDoc)} {
		d, err := decide(editorOf(config.KindNovaTemplate), domainxml.DefaultRule(), []byte("<dom"), kept)
		if err == nil || d.Write || d.Stock != nil {
			t.Errorf("with %q kept: %+v, %v", kept, d, err)
		}
	}
}

func TestRuleFor(t *testing.T) {
	rule := func(name, match string, boot domainxml.Boot) domainxml.Rule {
		r := domainxml.Rule{Name: name, Boot: boot}
		if match != "" {
			r.Match.Project = []string{match}
		}
		return r
	}
	const first, keep = domainxml.BootNetworkFirst, domainxml.BootKeep
	tests := []struct {
		name              string
		rules             []domainxml.Rule
		template, dnsmasq string // names of rules
	}{
		{"none", nil, "", ""},
		{"one for all", []domainxml.Rule{rule("a", "", first)}, "a", "a"},
		{"the first for all", []domainxml.Rule{rule("lab", "lab", first), rule("a", "", keep), rule("b", "", first)}, "a", "lab"},
		{"for some only", []domainxml.Rule{rule("lab", "lab", first)}, "", "lab"},
		{"the network always", []domainxml.Rule{rule("a", "", domainxml.BootNetworkAlways)}, "a", "a"},
		{"none boots from the network", []domainxml.Rule{rule("a", "", keep)}, "a", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := domainxml.Policy{Rules: tt.rules}
			for kind, want := range map[config.FileKind]string{config.KindNovaTemplate: tt.template, config.KindDnsmasq: tt.dnsmasq} {
				got := ruleFor(kind, p)
				if got.Name != want {
					t.Errorf("%s: rule %q, want %q", kind, got.Name, want)
				}
				if want == "" && (got.Boot != keep || got.Filterref.Action != domainxml.FilterrefKeep) {
					t.Errorf("%s: %+v, want one that changes nothing", kind, got)
				}
			}
		})
	}
}
