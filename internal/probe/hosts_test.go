package probe

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseHosts(t *testing.T) {
	// What Nova writes (2012.1, then later), what Neutron does, and what others may.
	const file = `fa:16:3e:50:43:cd,vm1.novalocal,10.1.0.3
fa:16:3e:00:00:02,vm2.novalocal,10.1.0.4,net:NW-2
FA:16:3E:00:00:03,host-10-1-0-5.openstacklocal,10.1.0.5,set:8f9d65d3
fa:16:3e:00:00:04,id:0102,vm4,10.1.0.6,120s
fa:16:3e:00:00:05,10.1.0.7
fa:16:3e:00:00:06,host-fd00--1,[fd00::1]
fa:16:3e:00:00:07,set:aabc7d33
fa:16:3e:00:00:08,10.1.0.8,ignore
# fa:16:3e:00:00:09,10.1.0.9

`
	hosts, err := parseHosts(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	want := []Host{
		{"fa:16:3e:50:43:cd", netip.MustParseAddr("10.1.0.3"), "vm1.novalocal"},
		{"fa:16:3e:00:00:02", netip.MustParseAddr("10.1.0.4"), "vm2.novalocal"},
		{"fa:16:3e:00:00:03", netip.MustParseAddr("10.1.0.5"), "host-10-1-0-5.openstacklocal"},
		{"fa:16:3e:00:00:04", netip.MustParseAddr("10.1.0.6"), "vm4"},
		{"fa:16:3e:00:00:05", netip.MustParseAddr("10.1.0.7"), ""},
	}
	if diff := cmp.Diff(want, hosts, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestHostsFile(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{
		"var/lib/nova/networks/nova-br2006.conf",
		"var/lib/neutron/dhcp/1b5c0e5e-2f77-4c0c-9d5c-6f8c3c1c2006/host",
		"var/lib/neutron/dhcp/99999999-2f77-4c0c-9d5c-6f8c3c1c2006/host",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for bridge, want := range map[string]string{
		"br2006":         "var/lib/nova/networks/nova-br2006.conf",
		"br2007":         "",
		"brq1b5c0e5e-2f": "var/lib/neutron/dhcp/1b5c0e5e-2f77-4c0c-9d5c-6f8c3c1c2006/host",
		"brq":            "", // every network's
	} {
		if want != "" {
			want = filepath.Join(root, want)
		}
		if got := HostsFile(root, bridge); got != want {
			t.Errorf("%s: %q, want %q", bridge, got, want)
		}
	}
}
