package domainxml_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// TestRestoreBoot edits a domain after a rewrite. What comes back is the order that
// was there before the rewrite, and what somebody has set since is kept.
func TestRestoreBoot(t *testing.T) {
	unplug := func(nic string) func(*story) { return func(s *story) { s.unplug(nic) } }
	define := func(change ...func(*domainxml.Rule)) func(*story) {
		return func(s *story) { s.define(change...) }
	}
	set := func(order string) func(*story) { return func(s *story) { s.setOrder(order) } }
	newMAC := func(s *story) { s.setMAC("nic1", "52:54:00:00:00:0f") }
	setKernel := func(s *story) { s.insertAfter("<type>", "<kernel>/k</kernel>") }
	for name, c := range map[string]struct {
		order string
		steps []func(*story)
		want  string
		says  string
	}{
		"the network behind the disk": {"hd, network", []func(*story){define()}, "hd, network", "boot order hd, network instead of network, hd"},
		"without any":                 {"", []func(*story){define()}, "", "boot order hd instead of network, hd"},
		"notation switched to orders": {
			"hd", []func(*story){define(), set("vda=1"), define()}, "vda=1", "boot order vda instead of 52:54:00:00:00:01, vda",
		},
		"notation switched to devices": {
			"vda=1", []func(*story){define(), set("hd"), define()}, "hd", "boot order hd instead of network, hd",
		},
		"notation switched, with the network first": {
			"hd", []func(*story){define(), set("nic1=1, vda=2")}, "nic1=1, vda=2",
			"boot order 52:54:00:00:00:01, vda stays, as somebody has set it since; before virt-netboot it was hd",
		},
		"notation switched back, with the network first": {
			"sda=1", []func(*story){define(), set("network, hd")}, "network, hd",
			"boot order network, hd stays, as somebody has set it since; before virt-netboot it was sda",
		},
		"notation switched by all": {
			"hd, cdrom", []func(*story){define(bootAll)}, "hd, cdrom",
			"boot order hd, cdrom instead of 52:54:00:00:00:01, 52:54:00:00:00:02, vda, sda",
		},
		"none, and notation switched by all": {
			"", []func(*story){define(bootAll)}, "", "boot order hd instead of 52:54:00:00:00:01, 52:54:00:00:00:02, vda",
		},
		"a device behind, after all": {
			"hd", []func(*story){define(bootAll), set("nic1=1, nic2=2, vda=3, sda=4")}, "vda=3, sda=4",
			"boot order vda, sda instead of 52:54:00:00:00:01, 52:54:00:00:00:02, vda, sda",
		},
		"a device behind, after all, with the network behind before": {
			"hd, network", []func(*story){define(bootAll), set("nic1=1, nic2=2, vda=3, sda=4")}, "vda=3, sda=4, nic1=5",
			"boot order vda, sda, 52:54:00:00:00:01 instead of 52:54:00:00:00:01, 52:54:00:00:00:02, vda, sda",
		},
		"the disk first since": {
			"hd", []func(*story){define(), set("cdrom, network")}, "cdrom, network",
			"boot order cdrom, network stays, as somebody has set it since; before virt-netboot it was hd",
		},
		"the disk first since, by orders": {
			"vda=1, sda=2", []func(*story){define(), set("sda=1, nic1=2")}, "sda=1, nic1=2",
			"boot order sda, 52:54:00:00:00:01 stays, as somebody has set it since; before virt-netboot it was vda, sda",
		},
		"as it was, by somebody":          {"hd", []func(*story){define(), set("hd")}, "hd", ""},
		"another disk behind the network": {"hd, network", []func(*story){define(), set("network, cdrom")}, "cdrom, network", "boot order cdrom, network instead of network, cdrom"},
		"nothing but the network":         {"hd, cdrom", []func(*story){define(), set("network")}, "hd, cdrom", "boot order hd, cdrom instead of network"},
		"another disk behind an interface": {
			"vda=1, sda=2", []func(*story){define(), set("nic1=1, vdb=2, vda=3, sda=4")}, "vdb=2, vda=3, sda=4",
			"boot order vdb, vda, sda instead of 52:54:00:00:00:01, vdb, vda, sda",
		},
		"other disks behind an interface that was last": {
			"vda=1, nic1=2", []func(*story){define(), set("nic1=1, vdb=2, vda=3")}, "vdb=2, vda=3, nic1=4",
			"boot order vdb, vda, 52:54:00:00:00:01 instead of 52:54:00:00:00:01, vdb, vda",
		},
		"nothing but an interface": {
			"vda=1, nic1=4", []func(*story){define(), set("nic1=1")}, "vda=1, nic1=4",
			"boot order vda, 52:54:00:00:00:01 instead of 52:54:00:00:00:01",
		},
		"another MAC address since": {
			"vda=1", []func(*story){define(), newMAC}, "vda=1", "boot order vda instead of 52:54:00:00:00:0f, vda",
		},
		"another number since": {
			"vda=1", []func(*story){define(bootSecond), unplug("nic1")}, "vda=1", "boot order vda instead of 52:54:00:00:00:02, vda",
		},
		"both notations since": {
			"hd", []func(*story){define(), set("network, nic1=1")}, "network, nic1=1",
			"boot order 52:54:00:00:00:01 stays, as somebody has set it since; before virt-netboot it was hd",
		},
		"both notations since an order": {
			"vda=1", []func(*story){define(), set("hd, nic1=1, vda=2")}, "hd, nic1=1, vda=2",
			"boot order 52:54:00:00:00:01, vda stays, as somebody has set it since; before virt-netboot it was vda",
		},
		"unplugged since": {
			"vda=1, sda=2", []func(*story){define(bootSecond), unplug("nic2")}, "vda=1, sda=2", "boot order vda, sda numbered as before",
		},
		"unplugged since, after all": {
			"hd, network", []func(*story){define(bootSecond), unplug("nic2")}, "hd, network", "boot order hd, network instead of vda",
		},
		"another rule": {
			"hd", []func(*story){define(), define(bootAll)}, "hd", "boot order hd instead of 52:54:00:00:00:01, 52:54:00:00:00:02, vda",
		},
		"another rule, and a disk since": {
			"hd", []func(*story){define(), set("network, cdrom"), define(bootAll)}, "cdrom",
			"boot order cdrom instead of 52:54:00:00:00:01, 52:54:00:00:00:02, sda",
		},
		"another rule's interface": {
			"vda=1, sda=3", []func(*story){define(), define(bootSecond)}, "vda=1, sda=3",
			"boot order vda, sda instead of 52:54:00:00:00:02, 52:54:00:00:00:01, vda, sda",
		},
		"set since, and defined again": {
			"hd", []func(*story){define(), set("cdrom"), define()}, "cdrom", "boot order cdrom instead of network, cdrom",
		},
		"a kernel since": {
			"hd", []func(*story){define(), setKernel}, "hd", "boot order hd instead of network, hd",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, c.order)
			for _, step := range c.steps {
				step(s)
			}
			before := s.doc
			s.revert()
			if got := s.order(); got != c.want {
				t.Errorf("boot order %s, want %s, from\n%s", got, c.want, before)
			}
			boot := slices.DeleteFunc(s.says, func(line string) bool { return !strings.HasPrefix(line, "boot order") })
			if got := strings.Join(boot, "\n"); got != c.says {
				t.Errorf("says %q, want %q", got, c.says)
			}
		})
	}
}
