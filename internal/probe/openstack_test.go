package probe

import (
	"os"
	"path/filepath"
	"testing"
)

// TestHasOpenStack: what on a node shows that it is one of OpenStack's.
func TestHasOpenStack(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		want       bool
	}{
		"plain libvirt":       {"proc/7/cmdline", "/usr/sbin/dnsmasq\x00--conf-file=/var/lib/libvirt/dnsmasq/default.conf\x00", false},
		"Nova":                {"etc/nova/nova.conf", "", true},
		"Neutron":             {"etc/neutron/dhcp_agent.ini", "", true},
		"Neutron's DHCP":      {"run/netns/qdhcp-1b5c0e5e", "", true},
		"Nova in a container": {"proc/7/cmdline", "/usr/bin/python3\x00/var/lib/kolla/venv/bin/nova-compute\x00", true},
		"a program's word":    {"proc/7/cmdline", "grep\x00-r\x00nova-compute\x00", false},
		"a process that ends": {"proc/7/stat", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for _, f := range []struct{ path, text string }{{"proc/stat", ""}, {c.file, c.text}} {
				path := filepath.Join(root, f.path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(f.text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := hasOpenStack(root, filepath.Join(root, "proc")); got != c.want {
				t.Errorf("has OpenStack: %t, want %t", got, c.want)
			}
		})
	}
}
