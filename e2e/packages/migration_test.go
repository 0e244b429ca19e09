//go:build packages

package packages

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// TestMigration moves running guests between a node with virt-netboot and one
// without.
func TestMigration(t *testing.T) {
	t.Parallel()
	deb := build(t, "1.0.0")
	with, without := boot(t, tree(t)), boot(t, tree(t))
	link(t, with, without)
	with.write(t, "/etc/apt/sources.list", "deb [trusted=yes] file:/srv/repository ./\n")
	with.publish(t, deb)
	with.apt(t, "install", "virt-netboot")
	with.run(t, "virt-netboot", "enable", "--yes", "--socket-only")

	t.Run("to a node without", func(t *testing.T) {
		with.run(t, "virsh", "-c", gatewayURI, "define", with.filtered(t, "leaving"))
		with.run(t, "virsh", "start", "leaving")
		with.migrate(t, "leaving", without)
		without.bootsFrom(t, "leaving", "net0", "virtio-disk0")
		without.hasFilter(t, "leaving", false)
	})
	t.Run("and back", func(t *testing.T) {
		without.migrate(t, "leaving", with)
		with.run(t, "virt-netboot", "revert", "leaving")
		with.hasFilter(t, "leaving", true)
		if xml := with.run(t, "virsh", "dumpxml", "--inactive", "leaving"); strings.Contains(xml, "<boot dev='network'/>") {
			t.Errorf("reverted, it still tries the network:\n%s", xml)
		}
	})
	t.Run("reverted", func(t *testing.T) {
		with.migrate(t, "leaving", without)
		without.migrate(t, "leaving", with)
		with.hasFilter(t, "leaving", true)
		if status := with.run(t, "virt-netboot", "status"); !strings.Contains(status, "(reverted)") {
			t.Errorf("the agent does not leave it alone:\n%s", status)
		}
	})
	t.Run("from a node without", func(t *testing.T) {
		// The hook alone: the agent would take the filter off, too.
		with.run(t, "systemctl", "stop", "virt-netboot.socket", "virt-netboot.service")
		without.run(t, "virsh", "define", without.filtered(t, "arriving"))
		without.run(t, "virsh", "start", "arriving")
		without.bootsFrom(t, "arriving", "virtio-disk0")
		without.hasFilter(t, "arriving", true)
		without.migrate(t, "arriving", with)
		with.hasFilter(t, "arriving", false)
		log := with.run(t, "journalctl", "-t", "virt-netboot", "-o", "cat", "OPERATION=migrate", "DOMAIN=arriving")
		for _, want := range []string{"filterref nova-base removed", "boot order network, hd instead of hd"} {
			if !strings.Contains(log, want) {
				t.Errorf("the hook's log does not say %q:\n%s", want, log)
			}
		}
		with.run(t, "systemctl", "start", "virt-netboot")
		await(t, "the definition to have the network first", func() error {
			if xml := with.run(t, "virsh", "dumpxml", "--inactive", "arriving"); !strings.Contains(xml, "<boot dev='network'/>") {
				return fmt.Errorf("it is:\n%s", xml)
			}
			return nil
		})
	})
}

const gatewayURI = "qemu+unix:///system?socket=/run/virt-netboot/libvirt-sock"

// link puts nodes into one network, where libvirtd lets anybody in, and gives them
// what the guests name.
func link(t *testing.T, nodes ...*node) {
	t.Helper()
	run(t, exec.Command("ip", "link", "add", "link0", "netns", fmt.Sprint(nodes[0].PID1()),
		"type", "veth", "peer", "name", "link0", "netns", fmt.Sprint(nodes[1].PID1())))
	for i, n := range nodes {
		n.address = fmt.Sprintf("10.9.0.%d", i+1)
		n.write(t, "/root/filter.xml", "<filter name='nova-base' chain='root'/>\n")
		n.shell(t, fmt.Sprintf(`hostname node%d
ip addr add %s/24 dev link0
ip link set link0 up
ip link add br-tenant type bridge
truncate -s 1M %[3]s.leaving %[3]s.arriving
systemctl stop libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd
printf 'auth_tcp = "none"\nhost_uuid = "7e1b2a3c-0000-4000-8000-00000000000%[1]d"\n' >>/etc/libvirt/libvirtd.conf
systemctl start libvirtd.socket libvirtd-tcp.socket libvirtd
virsh nwfilter-define /root/filter.xml`, i, n.address, disk))
	}
}

// filtered writes a domain document with a filter, and returns its path.
func (n *node) filtered(t *testing.T, name string) string {
	t.Helper()
	path := n.domainOn(t, name, disk+"."+name)
	n.write(t, path, strings.Replace(n.read(t, path), "</interface>", "<filterref filter='nova-base'/></interface>", 1))
	return path
}

// migrate moves a running guest. Each node has a disk of its own, which the guest
// never writes to.
func (n *node) migrate(t *testing.T, name string, to *node) {
	t.Helper()
	n.run(t, "virsh", "migrate", "--live", "--unsafe", "--persistent", "--undefinesource", name,
		"qemu+tcp://"+to.address+"/system", "tcp://"+to.address)
}

// hasFilter compares whether the interface of a running guest has its filter.
func (n *node) hasFilter(t *testing.T, name string, want bool) {
	t.Helper()
	xml := n.run(t, "virsh", "dumpxml", name)
	_, devices, _ := strings.Cut(xml, "<devices>") // <metadata> has it too
	if strings.Contains(devices, "<filterref") != want {
		t.Errorf("the interface has a filter: %v, want %v:\n%s", !want, want, xml)
	}
}
