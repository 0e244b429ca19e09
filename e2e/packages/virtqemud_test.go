//go:build packages && virtqemud

package packages

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	qemudSocket = "/run/libvirt/virtqemud-sock"
	proxyURI    = "qemu+unix:///system?socket=" + usualSocket // virtproxyd's, where virtqemud runs
	pastURI     = "qemu+unix:///system?socket=" + qemudSocket + "-direct"
)

// modularDaemons are what a node of RHEL 9 runs; virtlogd comes with either kind.
func modularDaemons() []string {
	return []string{"virtqemud", "virtnetworkd", "virtnwfilterd", "virtnodedevd", "virtsecretd", "virtstoraged", "virtproxyd"}
}

// TestVirtqemud is the life of virt-netboot on a node with a daemon for each of
// libvirt's drivers, which Debian has no packages of.
func TestVirtqemud(t *testing.T) {
	dir := os.Getenv("VIRTQEMUD")
	if dir == "" {
		t.Fatal("$VIRTQEMUD names no directory with libvirt's daemons: e2e/packages/build-virtqemud makes one")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	n := boot(t, dir+":"+tree(t))
	n.write(t, "/etc/apt/sources.list", "deb [trusted=yes] file:/srv/repository ./\n")
	n.publish(t, build(t, "1.0.0"))
	n.addNova(t)
	n.write(t, "/etc/nova/nova.conf", "[libvirt]\nvirt_type = qemu\n")
	n.shell(t, "truncate -s 1M "+disk+" "+disk+".nova; ip link add br-tenant type bridge")
	n.toModular(t)
	n.run(t, "virsh", "create", n.domain(t, "there-before"))
	before, pid := n.files(t), n.mainPID(t, "virtqemud")

	step := func(name string, f func(t *testing.T)) {
		if !t.Run(name, f) {
			t.Log(n.try("journalctl", "--no-pager", "--output=short-precise", "--lines=60"))
			t.FailNow()
		}
	}
	step("install", func(t *testing.T) {
		n.apt(t, "install", "virt-netboot")
		n.green(t, "virt-netboot.socket", "virt-netboot.service")
		if now := n.mainPID(t, "virtqemud"); now != pid {
			t.Errorf("virtqemud was process %s, now %s: it was restarted", pid, now)
		}
		n.doctorSays(t, "ok", "hook-found", "virtqemud (pid "+pid+") has looked for hooks since")
		n.doctorSays(t, "ok", "gateway", "at "+qemudSocket)
		n.run(t, "virt-netboot", "enable", "--yes", "--socket-only")
		n.run(t, "virsh", "-c", gatewayURI, "define", n.filtered(t, "explicit"))
		n.triesNetwork(t, "explicit", true)
		n.run(t, "virsh", "undefine", "explicit")
	})
	step("enabled, in front of libvirt", func(t *testing.T) {
		n.run(t, "virt-netboot", "enable", "--yes")
		for name, uri := range map[string]string{"plain": "qemu:///system", "proxied": proxyURI} {
			n.run(t, "truncate", "-s", "1M", disk+"."+name)
			n.run(t, "virsh", "-c", uri, "define", n.filtered(t, name))
			n.run(t, "virsh", "-c", uri, "start", name)
			n.bootsFrom(t, name, "net0", "virtio-disk0")
			n.hasFilter(t, name, false)
		}
		n.launch(t, "instance-00000001")
		n.bootsFrom(t, "instance-00000001", "net0", "virtio-disk0")
		n.doctorSays(t, "ok", "nova", "Nova connects to qemu:///system")
	})
	step("past the gateway", func(t *testing.T) {
		n.run(t, "virsh", "nwfilter-define", n.filter(t, "nova-base"))
		n.run(t, "truncate", "-s", "1M", disk+".past")
		n.run(t, "virsh", "-c", pastURI, "create", n.filtered(t, "past"))
		await(t, "the filter to go", func() error {
			if bindings := n.run(t, "virsh", "-q", "nwfilter-binding-list"); strings.TrimSpace(bindings) != "" {
				return fmt.Errorf("there are %q", bindings)
			}
			return nil
		})
		n.hasFilter(t, "past", false)
		n.run(t, "virsh", "destroy", "past")
		n.run(t, "virsh", "nwfilter-undefine", "nova-base")
	})
	step("virtqemud again", func(t *testing.T) {
		guest := n.qemu(t, "plain")
		for _, end := range []string{"systemctl restart virtqemud", "kill -KILL $(systemctl show -P MainPID virtqemud)"} {
			pid := n.mainPID(t, "virtqemud")
			n.shell(t, end)
			await(t, "the agent's next connection after "+end, func() error {
				if now := n.mainPID(t, "virtqemud"); now == pid || now == "0" {
					return fmt.Errorf("virtqemud is process %s", now)
				}
				_, err := n.try("sh", "-euc", "virt-netboot status | grep '^Libvirt  [0-9.]*, connected'")
				return err
			})
			if now := n.qemu(t, "plain"); now != guest {
				t.Errorf("the guest was process %s, now %s", guest, now)
			}
		}
	})
	step("nwfilters, which are virtnwfilterd's", func(t *testing.T) {
		n.write(t, configPath, "rules: [{filterref: \"replace:virt-netboot-relaxed\"}]\n")
		n.run(t, "systemctl", "stop", "virtnwfilterd.service") // as after two minutes without a client
		n.run(t, "systemctl", "reload", "virt-netboot")
		await(t, "the agent to define it", func() error {
			_, err := n.try("virsh", "nwfilter-dumpxml", "virt-netboot-relaxed")
			return err
		})
		n.doctorSays(t, "ok", "nwfilter", "libvirt has the nwfilter virt-netboot-relaxed")
		n.shell(t, "systemctl stop virtnwfilterd.socket virtnwfilterd.service")
		n.doctorSays(t, "failure", "nwfilter", "no domain with one can start")
		n.shell(t, "systemctl start "+sockets("virtnwfilterd"))
		n.doctorSays(t, "ok", "nwfilter", "libvirt has the nwfilter virt-netboot-relaxed")
	})
	step("an agent that does not start", func(t *testing.T) {
		n.shell(t, "mv /usr/bin/virt-netboot /root; echo nonsense >/usr/bin/virt-netboot; chmod 755 /usr/bin/virt-netboot; systemctl restart virt-netboot || true")
		await(t, "the agent to be gone past", func() error {
			target, err := os.Readlink(n.path(qemudSocket))
			if err == nil && target != qemudSocket+"-direct" {
				err = fmt.Errorf("it leads to %s", target)
			}
			return err
		})
		for _, uri := range []string{"qemu:///system", proxyURI, gatewayURI} {
			n.run(t, "virsh", "-c", uri, "domstate", "plain")
		}
		n.shell(t, "mv /root/virt-netboot /usr/bin; systemctl reset-failed virt-netboot; systemctl restart virt-netboot")
		n.takenOver(t)
	})
	step("purge", func(t *testing.T) {
		guest := n.qemu(t, "there-before")
		n.apt(t, "purge", "virt-netboot")
		if failed := n.shell(t, "journalctl --unit=virtqemud | grep 'Hook script execution failed' || true"); failed != "" {
			t.Error(failed)
		}
		if now := n.qemu(t, "there-before"); now != guest {
			t.Errorf("the guest was process %s, now %s", guest, now)
		}
		for _, name := range []string{"plain", "proxied", "instance-00000001"} {
			n.run(t, "virsh", "destroy", name)
			n.run(t, "virsh", "undefine", name)
		}
		n.green(t, "virtqemud.socket", "virtqemud-ro.socket", "virtqemud-admin.socket")
		n.run(t, "virsh", "-c", proxyURI, "version")
		n.asBefore(t, before)
	})
	step("a switch from libvirtd, while enabled", func(t *testing.T) {
		n.run(t, "virsh", "destroy", "there-before")
		n.toLibvirtd(t)
		n.apt(t, "install", "virt-netboot")
		n.run(t, "virt-netboot", "enable", "--yes")
		n.toModular(t)
		n.doctorSays(t, "failure", "gateway", "this node has moved to virtqemud")
		if out, err := n.try("virt-netboot", "enable", "--yes"); err == nil {
			t.Errorf("it is enabled once more: %s", out)
		}
		n.run(t, "virt-netboot", "disable")
		n.run(t, "virsh", "-c", proxyURI, "version")
		n.run(t, "virt-netboot", "enable", "--yes")
		n.takenOver(t)
	})
}

// toModular changes from libvirtd to the daemons for each driver, and back is
// toLibvirtd.
func (n *node) toModular(t *testing.T) {
	t.Helper()
	n.shell(t, "systemctl disable --now "+sockets("libvirtd")+" libvirtd.service")
	for _, daemon := range modularDaemons() {
		n.shell(t, "systemctl enable --now "+sockets(daemon))
	}
	n.run(t, "virsh", "version")
}

func (n *node) toLibvirtd(t *testing.T) {
	t.Helper()
	for _, daemon := range slices.Backward(modularDaemons()) {
		n.shell(t, "systemctl disable --now "+sockets(daemon)+" "+daemon+".service")
	}
	n.shell(t, "systemctl enable --now "+sockets("libvirtd")+" libvirtd.service")
}

func sockets(daemon string) string {
	return daemon + ".socket " + daemon + "-ro.socket " + daemon + "-admin.socket"
}

func (n *node) mainPID(t *testing.T, unit string) string {
	t.Helper()
	return strings.TrimSpace(n.run(t, "systemctl", "show", "--property=MainPID", "--value", unit))
}

// doctorSays fails the test unless one of a check's results is of the level and has
// the text.
func (n *node) doctorSays(t *testing.T, level, check, text string) {
	t.Helper()
	out := n.shell(t, "virt-netboot doctor || true") // its exit status is about the other checks, too
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == level && fields[1] == check && strings.Contains(line, text) {
			return
		}
	}
	t.Errorf("doctor does not say %s, %s and %q:\n%s", level, check, text, out)
}

// filter writes an nwfilter that lets everything through, and returns its path.
func (n *node) filter(t *testing.T, name string) string {
	t.Helper()
	path := "/root/" + name + ".filter.xml"
	n.write(t, path, "<filter name='"+name+"' chain='root'/>\n")
	return path
}
