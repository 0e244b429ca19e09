//go:build packages

package packages

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/internal/doctor/apparmor"
)

// green fails the test unless the units are active and no unit of the node failed.
func (n *node) green(t *testing.T, units ...string) {
	t.Helper()
	for _, unit := range units {
		await(t, unit, func() error {
			_, err := n.try("systemctl", "status", "--no-pager", unit)
			return err
		})
	}
	if failed := n.run(t, "systemctl", "list-units", "--failed", "--plain", "--no-legend"); failed != "" {
		t.Errorf("failed units:\n%s", failed)
	}
}

// novasFile writes a file that is Nova's own.
func (n *node) novasFile(t *testing.T) {
	t.Helper()
	n.shell(t, `mkdir /etc/nova; cd /etc/nova; umask 027; echo domain-needed >dnsmasq.conf; chown nova:nova dnsmasq.conf`)
}

// patched waits until Nova's file is patched, for which the unit may have to be
// started again. It stays Nova's.
func (n *node) patched(t *testing.T) {
	t.Helper()
	await(t, "Nova's file to be patched", func() error {
		if text := n.read(t, "/etc/nova/dnsmasq.conf"); !strings.Contains(text, "dhcp-ignore=tag:ipxe") {
			return fmt.Errorf("it is %q", text)
		}
		return nil
	})
	if got := strings.TrimSpace(n.run(t, "stat", "--format=%U:%G %a", "/etc/nova/dnsmasq.conf")); got != "nova:nova 640" {
		t.Errorf("Nova's file is %s's", got)
	}
}

// runs fails the test unless the agents of both units are of the version.
func (n *node) runs(t *testing.T, version string) {
	t.Helper()
	for _, unit := range []string{"virt-netboot", "virt-netboot-files"} {
		// The program that runs, whatever was put in its place.
		got := n.shell(t, "exec /proc/$(systemctl show -P MainPID "+unit+")/exe --version")
		if got = strings.TrimSpace(got); got != "virt-netboot "+version {
			t.Errorf("%s runs %q, want version %s", unit, got, version)
		}
	}
}

// isHook fails the test unless virt-netboot's hook is in its place, and only there.
func (n *node) isHook(t *testing.T) {
	t.Helper()
	target, err := os.Readlink(n.path(hookLink))
	if err != nil {
		t.Fatal(err)
	}
	if target != hookProgram {
		t.Errorf("%s leads to %s, want %s", hookLink, target, hookProgram)
	}
	if status := n.run(t, "virt-netboot", "hook", "status"); strings.Count(status, "virt-netboot's, version ") != 1 {
		t.Errorf("hook status:\n%s", status)
	}
}

// underAppArmor holds that libvirtd's profile, which Debian enforces where its kernel
// has AppArmor, lets it run the hook. No guest could start otherwise.
func (n *node) underAppArmor(t *testing.T) {
	t.Helper()
	profile, err := apparmor.Load(n.path("/etc/apparmor.d"), "usr.sbin.libvirtd")
	if err != nil {
		t.Fatal(err)
	}
	if !profile.Executes(hookProgram) {
		t.Errorf("AppArmor does not let libvirtd run %s", hookProgram)
	}
	if elsewhere := "/usr/lib/virt-netboot/qemu-hook"; profile.Executes(elsewhere) {
		t.Errorf("AppArmor would let libvirtd run %s: this test tests nothing", elsewhere)
	}
}

// daemon is libvirtd's process id.
func (n *node) daemon(t *testing.T) string {
	t.Helper()
	n.run(t, "virsh", "version") // one that no client needed has ended
	return strings.TrimSpace(n.run(t, "systemctl", "show", "--property=MainPID", "--value", "libvirtd"))
}

// qemu is the process id of a running guest.
func (n *node) qemu(t *testing.T, name string) string {
	t.Helper()
	if state := strings.TrimSpace(n.run(t, "virsh", "domstate", name)); state != "running" {
		t.Fatalf("%s is %s", name, state)
	}
	return n.read(t, "/run/libvirt/qemu/"+name+".pid")
}

// bootsFrom compares the order in which QEMU's command line names the devices.
func (n *node) bootsFrom(t *testing.T, name string, want ...string) {
	t.Helper()
	line := n.shell(t, "tr '\\0' '\\n' </proc/"+n.qemu(t, name)+"/cmdline")
	index := map[string]string{}
	for _, m := range regexp.MustCompile(`"id":"([^"]+)".*"bootindex":(\d+)`).FindAllStringSubmatch(line, -1) {
		index[m[1]] = m[2]
	}
	expected := map[string]string{}
	for i, id := range want {
		expected[id] = fmt.Sprint(i + 1)
	}
	if diff := cmp.Diff(expected, index); diff != "" {
		t.Errorf("boot order of %s: -want +got:\n%s", name, diff)
	}
}

// triesNetwork compares whether the domain as it is defined tries the network.
func (n *node) triesNetwork(t *testing.T, name string, want bool) {
	t.Helper()
	xml := n.run(t, "virsh", "dumpxml", "--inactive", name)
	if got := strings.Contains(xml, "<boot dev='network'/>"); got != want {
		t.Errorf("%s tries the network: %v, want %v:\n%s", name, got, want, xml)
	}
}

// addNova makes the user that Nova's services run as on Debian.
func (n *node) addNova(t *testing.T) {
	t.Helper()
	n.run(t, "useradd", "--system", "--groups", "libvirt", "nova")
}

// launch defines and starts an instance with Nova's own driver code, as Nova's user
// and where Nova's configuration says.
func (n *node) launch(t *testing.T, name string) {
	t.Helper()
	program, err := os.ReadFile("testdata/launch.py")
	if err != nil {
		t.Fatal(err)
	}
	n.write(t, "/srv/launch.py", string(program))
	run(t, n.as("nova", "python3", "/srv/launch.py", name, "7e1b2a3c-0000-4000-8000-000000000001", disk+".nova"))
}

// takenOver fails the test unless libvirt's usual socket is the gateway's.
func (n *node) takenOver(t *testing.T) {
	t.Helper()
	n.stands(t, "enabled: ")
	n.run(t, "virsh", "define", n.domain(t, "check"))
	n.triesNetwork(t, "check", true)
	n.run(t, "virsh", "undefine", "check")
}

// stands waits until virt-netboot status says this of the node.
func (n *node) stands(t *testing.T, want string) {
	t.Helper()
	await(t, "the status to be "+want, func() error {
		out, err := n.try("sh", "-euc", "virt-netboot status --json || [ $? -eq 1 ]")
		if err != nil {
			return err
		}
		var status struct{ Node struct{ Text string } }
		if err := json.Unmarshal([]byte(out), &status); err != nil {
			return err
		}
		if !strings.HasPrefix(status.Node.Text, want) {
			return fmt.Errorf("it is %q", status.Node.Text)
		}
		return nil
	})
}

// bypassed waits until both sockets lead to libvirt past an agent that fails.
func (n *node) bypassed(t *testing.T) {
	t.Helper()
	await(t, "the agent to be gone past", func() error {
		info, err := os.Lstat(n.path("/run/libvirt/libvirt-sock"))
		if err == nil && info.Mode().Type() != os.ModeSymlink {
			err = fmt.Errorf("the usual socket is a %v", info.Mode())
		}
		return err
	})
	if state, err := n.try("systemctl", "is-active", "virt-netboot.socket"); err == nil {
		t.Errorf("virt-netboot.socket, where nothing would answer, is %s", state)
	}
	for _, uri := range []string{"qemu:///system", "qemu+unix:///system?socket=/run/virt-netboot/libvirt-sock"} {
		n.run(t, "virsh", "-c", uri, "define", n.domain(t, "check"))
		n.triesNetwork(t, "check", false)
		n.run(t, "virsh", "undefine", "check")
	}
}

// referToFilter defines the nwfilter that is shipped, and a domain that refers to it.
// The agent, whose rules would have it removed, has to stop for that.
func (n *node) referToFilter(t *testing.T) {
	t.Helper()
	n.run(t, "systemctl", "stop", "virt-netboot.service")
	n.shell(t, "for part in -rules ''; do virsh nwfilter-define /usr/share/virt-netboot/nwfilter/virt-netboot-relaxed$part.xml; done")
	path := n.domain(t, "filtered")
	n.write(t, path, strings.Replace(n.read(t, path), "</interface>", "<filterref filter='virt-netboot-relaxed'/></interface>", 1))
	n.run(t, "virsh", "define", path)
}

// startBystander starts a guest with a filter, whom no rule is about, and returns what
// libvirt knows of it.
func (n *node) startBystander(t *testing.T) string {
	t.Helper()
	path := n.domainOn(t, "bystander", disk+".bystander")
	n.write(t, path, strings.Replace(n.read(t, path), "</interface>", "<filterref filter='no-mac-spoofing'/></interface>", 1))
	n.run(t, "virsh", "define", path)
	n.run(t, "virsh", "start", "bystander")
	return n.bystander(t)
}

func (n *node) bystander(t *testing.T) string {
	t.Helper()
	return n.shell(t, "virsh dumpxml --inactive bystander; virsh dumpxml bystander; virsh nwfilter-binding-list")
}

// forget ends a guest, and with it its definition.
func (n *node) forget(t *testing.T, name string) {
	t.Helper()
	n.run(t, "virsh", "destroy", name)
	n.run(t, "virsh", "undefine", name)
}

// leftAlone fails the test where the bystander is not as it was: its definition, as it
// runs, or its filter.
func (n *node) leftAlone(t *testing.T, bystander string) {
	t.Helper()
	if diff := cmp.Diff(bystander, n.bystander(t)); diff != "" {
		t.Errorf("a guest that no rule is about: -before +after:\n%s", diff)
	}
}

// domain writes a domain document that boots from the disk, and returns its path.
func (n *node) domain(t *testing.T, name string) string {
	t.Helper()
	return n.domainOn(t, name, disk)
}

func (n *node) domainOn(t *testing.T, name, disk string) string {
	t.Helper()
	path := "/root/" + name + ".xml"
	n.write(t, path, fmt.Sprintf(`<domain type='qemu'><name>%s</name><memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='%s'/><target dev='vda' bus='virtio'/></disk>
    <interface type='bridge'><source bridge='br-tenant'/><model type='virtio'/></interface>
  </devices>
</domain>
`, name, disk))
	return path
}

// files lists what is in /etc, /usr and /var, with type, mode, owner, size and
// target, but for what apt, dpkg, rpm, systemd and libvirt keep there of their own work.
func (n *node) files(t *testing.T) []string {
	t.Helper()
	n.run(t, "touch", "/root/stamp")
	out := n.shell(t, `find /etc /usr /var -printf '%p %y %m %u %g %l' \( -type f -printf ' %s' , -printf '\n' \) |
		grep -vE '^/var/(log|cache|backups|tmp|lib/(apt|dpkg|rpm|systemd|libvirt/(qemu|images|dnsmasq)))(/| )' | LC_ALL=C sort`)
	return strings.Split(out, "\n")
}

func (n *node) sameFiles(t *testing.T, before []string) {
	t.Helper()
	if diff := cmp.Diff(before, n.files(t)); diff != "" {
		t.Errorf("/etc, /usr and /var: -before +after:\n%s", diff)
	}
}

// asBefore fails the test where something is left, or something is gone, since
// files.
func (n *node) asBefore(t *testing.T, before []string) {
	t.Helper()
	newer := n.shell(t, `find /etc /usr /var -newer /root/stamp | grep -i netboot || true; find /run /root -name '*netboot*'`)
	if newer != "" {
		t.Errorf("left behind:\n%s", newer)
	}
	n.sameFiles(t, before)
	for _, list := range []string{"list-unit-files", "list-units"} { // a process that runs on is a unit without a file
		if units := n.shell(t, "systemctl --plain --no-legend "+list+" 'virt-netboot*' || true"); units != "" {
			t.Errorf("systemd still knows:\n%s", units)
		}
	}
}
