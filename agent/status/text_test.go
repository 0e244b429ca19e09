package status

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/agent/gateway"
	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/agent/reload"
	"github.com/virt-netboot/virt-netboot/agent/resync"
	"github.com/virt-netboot/virt-netboot/agent/resync/edit"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

var update = flag.Bool("update", false, "write what comes out into testdata")

// noon is when these tests show the node.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func before(d time.Duration) time.Time { return noon().Add(-d) }

func node() Status {
	boot := domainxml.Change{Kind: domainxml.ChangeBootOrder, From: "hd", To: "network, hd"}
	filter := domainxml.Change{Kind: domainxml.ChangeFilterrefRemoved, From: "nova-base", Interface: "fa:16:3e:50:43:cd"}
	other := domainxml.Change{Kind: domainxml.ChangeFilterrefRemoved, From: "nova-base", Interface: "fa:16:3e:50:43:ce"}
	return Status{
		Version: "1.2", PID: 4711, Started: before(26*time.Hour + 3*time.Minute),
		Components: []string{ComponentGateway, ComponentReconcile, ComponentFiles},
		Config: reload.Status{
			Path: "/etc/virt-netboot/config.yaml", Mode: config.ModeEnforce,
			Loaded: before(time.Hour), Checked: before(time.Minute),
		},
		Gateway: Gateway{
			Listen: []string{"/run/virt-netboot/libvirt-sock"}, Upstream: "/run/libvirt/libvirt-sock",
			Stats: gateway.Stats{Clients: 3, Rewritten: 12, Refused: 1, Unparsed: 2, Unchanged: 40},
		},
		Files: []resync.Status{
			{Path: "/etc/nova/libvirt.xml.template", Kind: config.KindNovaTemplate, State: resync.StateMissing},
			{
				Path: "/etc/nova/dnsmasq.conf", Kind: config.KindDnsmasq, State: resync.StateInSync, Changed: before(2 * time.Hour),
				Notes: []edit.Note{{Line: 3, Text: "an operator's tag"}}, Todo: "restart dnsmasq",
			},
		},
		Status: reconcile.Status{
			Libvirt: reconcile.LibvirtStatus{Connected: true, Since: before(time.Hour), Version: "9.0.0"},
			Domains: []reconcile.DomainStatus{
				{Name: "instance-00000001", DisplayName: "web", Project: "lab", Active: true, BootsFrom: "network", Rule: "default"},
				{Name: "instance-00000002", DisplayName: "db", Project: "lab", Active: true, BootsFrom: "disk", Rule: "default", Pending: []domainxml.Change{boot}},
				{
					Name: "instance-00000003", DisplayName: "a\x1b[2Jb\u202e\t" + strings.Repeat("c", 100), Project: "lab", BootsFrom: "kernel",
					Filters: []string{"nova-base", "other"}, Rule: "default",
					Warnings: []domainxml.Warning{{Kind: domainxml.WarningKernel, Kernel: "/k"}}, Wanted: []domainxml.Change{filter, boot, other},
				},
				{Name: "instance-00000004\u202e", Active: true, BootsFrom: "disk", Reverted: true},
				{Name: "instance-00000005", Error: "libvirt refuses\nit", BackingOffUntil: noon().Add(time.Hour)},
			},
			LastReconcile: before(12 * time.Second), Duration: 35123 * time.Microsecond,
		},
	}
}

func TestText(t *testing.T) {
	bad := node()
	bad.Observe, bad.Config.Mode = true, config.ModeObserve
	bad.Config.Path += "\x9b"
	bad.Config.Error = "config.yaml:1:1: unknown key\x1b\n    1 | rule: []\n      | ^"
	bad.Config.Restart = []string{"gateway.listen", "log.format"}
	bad.Libvirt = reconcile.LibvirtStatus{Since: before(time.Minute), Error: "connecting: no such file"}
	bad.Files[0].State, bad.Files[0].Error = resync.StateFailed, "line 3: #if \x1b without #end if"
	parts := Status{Version: "1.2", PID: 1, Started: before(time.Second), Components: []string{ComponentFiles}, Config: node().Config, Files: node().Files}
	for name, s := range map[string]Status{"well": node(), "unwell": bad, "files-only": parts, "just-started": {Components: []string{ComponentReconcile}, Config: node().Config, Started: noon()}} {
		got := s.Text(noon(), false)
		path := "testdata/" + name + ".txt"
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s, -want +got:\n%s", name, diff)
		}
		escapes := regexp.MustCompile(`\x1b\[[0-9;]*m`)
		if diff := cmp.Diff(got, escapes.ReplaceAllString(s.Text(noon(), true), "")); diff != "" {
			t.Errorf("%s in colours is another text, -without +with:\n%s", name, diff)
		}
	}
	for _, s := range []Status{node(), bad} {
		if text := s.Text(noon(), false); strings.ContainsAny(text, "\x1b\u202e") || !utf8.ValidString(text) {
			t.Errorf("what others wrote reaches the terminal as it is: %q", text)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(*Status)
		want int
	}{
		{"backing off from a domain", func(*Status) {}, 1},
		{"a domain failed", func(s *Status) { s.Domains[4].BackingOffUntil = time.Time{} }, 1},
		{"warnings are the domain's own", func(s *Status) { s.Domains = s.Domains[:4] }, 0},
		{"a refused configuration", func(s *Status) { s.Domains, s.Config.Error = nil, "x" }, 1},
		{"no libvirt", func(s *Status) { s.Domains, s.Libvirt.Connected = nil, false }, 1},
		{"no libvirt needed", func(s *Status) { s.Domains, s.Libvirt.Connected, s.Components = nil, false, []string{ComponentFiles} }, 0},
		{"a file failed", func(s *Status) { s.Domains, s.Files[1].State = nil, resync.StateFailed }, 1},
	} {
		s := node()
		test.edit(&s)
		if got := s.Problems(); len(got) != test.want {
			t.Errorf("%s: %q, want %d", test.name, got, test.want)
		}
	}
}
