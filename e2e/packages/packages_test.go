//go:build packages

package packages

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	hookLink      = "/etc/libvirt/hooks/qemu.d/50-virt-netboot"
	hookProgram   = "/usr/sbin/qemu-hook"
	operatorsHook = "/etc/libvirt/hooks/qemu"
	configPath    = "/etc/virt-netboot/config.yaml"
	disk          = "/var/lib/libvirt/images/disk.raw"
)

func TestPackages(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("a container needs root")
	}
	older, newer := build(t, "99.0.0"), build(t, "99.1.0")
	t.Run("rpm", func(t *testing.T) { testRPM(t, filepath.Dir(older)) })
	t.Run("documentation", func(t *testing.T) { testDocumentation(t, filepath.Dir(older)) })
	t.Run("node", func(t *testing.T) { testNode(t, older, newer) })
}

// testNode is the life of virt-netboot on one node: each part goes on where the one
// before has ended.
func testNode(t *testing.T, older, newer string) {
	n := boot(t, tree(t))
	n.write(t, "/etc/apt/sources.list", "deb [trusted=yes] file:/srv/repository ./\n")
	n.publish(t, older)
	n.addNova(t)
	n.novasFile(t)
	n.outlivesReboots(t)
	n.shell(t, "truncate -s 1M "+disk+" "+disk+".nova")
	n.run(t, "virsh", "version")
	before := n.files(t)

	var guest, libvirtd string
	step := func(name string, f func(t *testing.T)) {
		if !t.Run(name, f) {
			t.Log(n.try("journalctl", "--no-pager", "--output=short-precise", "--lines=60"))
			t.FailNow()
		}
	}
	step("install", func(t *testing.T) {
		libvirtd = n.daemon(t)
		n.apt(t, "install", "virt-netboot")
		n.green(t, "virt-netboot.socket", "virt-netboot.service", "virt-netboot-files.path", "virt-netboot-files.service")
		n.isHook(t)
		n.underAppArmor(t)
		if now := n.daemon(t); now != libvirtd {
			t.Errorf("libvirtd was process %s, now %s: it was restarted", libvirtd, now)
		}
		n.noFailure(t)
		n.callsHook(t)
		n.stands(t, "disabled: ")
	})
	step("enabled, at its own socket", func(t *testing.T) {
		n.run(t, "virt-netboot", "enable", "--yes", "--socket-only")
		if now := n.daemon(t); now != libvirtd {
			t.Errorf("libvirtd was process %s, now %s: it was restarted", libvirtd, now)
		}
		n.patched(t)
		n.noFailure(t)
	})
	step("Nova, which names the gateway", func(t *testing.T) {
		n.write(t, novaConf, "[libvirt]\nconnection_uri = "+gatewayURI+"\n")
		n.throughGateway(t, "instance-00000001")
		n.run(t, "rm", novaConf)
	})
	step("metrics of both units", func(t *testing.T) {
		await(t, "the file's metrics", func() error {
			text, err := n.try("python3", "-c", `import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:9178/metrics").read().decode())`)
			if want := `virt_netboot_resync_state{file="/etc/nova/dnsmasq.conf",state="in sync"} 1`; err == nil && !strings.Contains(text, want) {
				err = fmt.Errorf("no %s in\n%s", want, text)
			}
			return err
		})
	})
	step("Nova's directory made again", func(t *testing.T) {
		n.run(t, "rm", "-r", "/etc/nova")
		n.novasFile(t)
		n.patched(t)
		n.green(t, "virt-netboot-files.service")
	})
	step("units", n.units)
	step("enabled, in front of libvirt", func(t *testing.T) {
		n.run(t, "virt-netboot", "enable", "--yes")
		n.run(t, "virsh", "define", n.domain(t, "plain"))
		n.run(t, "virsh", "start", "plain")
		n.bootsFrom(t, "plain", "net0", "virtio-disk0")
	})
	step("Nova, which knows nothing of it", func(t *testing.T) { n.throughGateway(t, "instance-00000002") })
	step("reboot", func(t *testing.T) {
		n.reboot(t)
		n.green(t, "virt-netboot.socket", "virt-netboot.service", "virt-netboot-files.service", "libvirt-guests.service")
		n.bootsFrom(t, "plain", "net0", "virtio-disk0")
		n.takenOver(t)
		n.noFailure(t)
	})
	step("reboot with a mistake in the configuration", func(t *testing.T) {
		old := n.read(t, configPath)
		n.write(t, configPath, "rules: nonsense\n")
		n.reboot(t)
		n.bypassed(t)
		n.bootsFrom(t, "plain", "net0", "virtio-disk0") // libvirt-guests has waited for that
		n.write(t, configPath, old)
		n.shell(t, "systemctl reset-failed virt-netboot; systemctl restart virt-netboot")
		n.takenOver(t)
		guest, libvirtd = n.qemu(t, "plain"), n.daemon(t)
	})
	step("a disk that is its owner's alone", func(t *testing.T) {
		old := n.read(t, configPath)
		n.write(t, configPath, "rules: [{only_if: blank-disk}]\n")
		n.run(t, "systemctl", "reload", "virt-netboot")
		for name, blank := range map[string]bool{"blank": true, "installed": false} {
			image := disk + "." + name
			n.shell(t, "truncate -s 1M "+image+"; chown 64055:64055 "+image+"; chmod 600 "+image)
			if !blank {
				n.shell(t, `printf '\125\252' | dd of=`+image+` bs=1 seek=510 conv=notrunc status=none`)
			}
			n.run(t, "virsh", "define", n.domainOn(t, name, image))
			n.triesNetwork(t, name, blank)
			n.run(t, "virsh", "undefine", name)
		}
		n.write(t, configPath, old)
		n.run(t, "systemctl", "reload", "virt-netboot")
	})
	step("the shipped nwfilter", func(t *testing.T) {
		old := n.read(t, configPath)
		n.write(t, configPath, "rules: [{filterref: \"replace:virt-netboot-relaxed\"}]\n")
		n.run(t, "systemctl", "reload", "virt-netboot")
		await(t, "the agent to define it", func() error {
			_, err := n.try("virsh", "nwfilter-dumpxml", "virt-netboot-relaxed")
			return err
		})
		n.write(t, configPath, old)
		n.run(t, "systemctl", "reload", "virt-netboot")
	})
	same := func(t *testing.T) {
		t.Helper()
		if now := n.qemu(t, "plain"); now != guest {
			t.Errorf("the guest was process %s, now %s", guest, now)
		}
		if now := n.daemon(t); now != libvirtd {
			t.Errorf("libvirtd was process %s, now %s: it was restarted", libvirtd, now)
		}
	}
	works := func(t *testing.T, version string) {
		t.Helper()
		if got := strings.TrimSpace(n.run(t, "virt-netboot", "--version")); got != "virt-netboot "+version {
			t.Errorf("%q is installed, want version %s", got, version)
		}
		n.green(t, "virt-netboot.socket", "virt-netboot.service", "virt-netboot-files.service")
		n.runs(t, version)
		n.takenOver(t)
		n.noFailure(t)
		same(t)
	}
	step("upgrade", func(t *testing.T) {
		n.publish(t, older, newer)
		n.apt(t, "upgrade")
		works(t, "99.1.0")
	})
	step("downgrade to the latest release", func(t *testing.T) {
		release := released(t)
		if release == "" {
			release = older
		}
		version := versionOf(t, release)
		n.publish(t, release, newer)
		n.apt(t, "install", "--allow-downgrades", "virt-netboot="+version+"-1")
		works(t, version)
	})
	step("upgrade from it, and another configuration", func(t *testing.T) {
		// One of an older version, which has not all of today's keys, and which
		// the operator has edited.
		old := variant(t, newer, "99.0.5", func(string) string { return "gateway:\n  upstream: \"\"\nlog: {level: info}\n" })
		n.publish(t, older, old, newer)
		n.run(t, "rm", configPath)
		n.apt(t, "install", "-o", "Dpkg::Options::=--force-confmiss", "virt-netboot=99.0.5-1")
		edited := strings.Replace(n.read(t, configPath), "info", "debug", 1)
		n.write(t, configPath, edited)
		n.apt(t, "upgrade")
		works(t, "99.1.0")
		if now := n.read(t, configPath); now != edited {
			t.Errorf("the configuration is now:\n%s", now)
		}
	})
	step("a configuration from the future", func(t *testing.T) {
		future := variant(t, newer, "99.2.0", func(s string) string { return s + "\nquantum: {entangle: true}\n" })
		n.publish(t, newer, future)
		n.run(t, "cp", configPath, "/root/config.yaml")
		n.run(t, "rm", configPath)
		n.apt(t, "upgrade", "-o", "Dpkg::Options::=--force-confmiss")
		n.bypassed(t)
		same(t)
		n.run(t, "mv", "/root/config.yaml", configPath)
		n.shell(t, "systemctl reset-failed virt-netboot && systemctl restart virt-netboot")
		n.takenOver(t)
	})
	step("an agent that does not start", func(t *testing.T) {
		n.shell(t, "echo nonsense >/usr/bin/virt-netboot.new; chmod 755 /usr/bin/virt-netboot.new; mv /usr/bin/virt-netboot.new /usr/bin/virt-netboot; systemctl restart virt-netboot || true")
		n.bypassed(t)
		// The socket alone, for which systemd refuses to start the agent once more.
		n.run(t, "systemctl", "start", "virt-netboot.socket")
		_, _ = n.try("virsh", "version")
		n.bypassed(t)
		n.apt(t, "install", "--reinstall", "virt-netboot")
		n.takenOver(t)
		same(t)
	})
	step("purge", func(t *testing.T) {
		n.apt(t, "purge", "virt-netboot")
		// libvirt kills a guest whose hook fails at its restart.
		if failed := n.shell(t, "journalctl --unit=libvirtd | grep 'Hook script execution failed' || true"); failed != "" {
			t.Error(failed)
		}
		if now := n.qemu(t, "plain"); now != guest {
			t.Errorf("the guest was process %s, now %s", guest, now)
		}
		n.run(t, "virsh", "destroy", "plain")
		n.run(t, "virsh", "undefine", "plain")
		n.run(t, "virsh", "define", n.domain(t, "direct"))
		n.run(t, "virsh", "start", "direct")
		n.bootsFrom(t, "direct", "virtio-disk0")
		n.run(t, "virsh", "destroy", "direct")
		n.run(t, "virsh", "undefine", "direct")
		n.asBefore(t, before)
	})
	step("beside another hook", func(t *testing.T) {
		const foreign = "#!/bin/sh\nexit 0\n"
		n.write(t, operatorsHook, foreign)
		n.run(t, "chmod", "755", operatorsHook)
		before := n.files(t)
		n.publish(t, newer)
		n.apt(t, "install", "virt-netboot")
		n.isHook(t)
		n.apt(t, "install", "--reinstall", "virt-netboot")
		n.reloads(t, func() { n.apt(t, "remove", "virt-netboot") })
		n.apt(t, "install", "virt-netboot")
		n.isHook(t)
		n.green(t, "virt-netboot.socket", "virt-netboot.service")
		n.referToFilter(t)
		n.apt(t, "purge", "virt-netboot")
		n.run(t, "virsh", "nwfilter-dumpxml", "virt-netboot-relaxed")
		n.run(t, "virsh", "undefine", "filtered")
		n.run(t, "virsh", "nwfilter-undefine", "virt-netboot-relaxed")
		n.run(t, "virsh", "nwfilter-undefine", "virt-netboot-relaxed-rules")
		n.asBefore(t, before)
		if n.read(t, operatorsHook) != foreign {
			t.Error("the other hook has changed")
		}
		n.run(t, "rm", operatorsHook)
	})
	step("a hook that a guide has the operator write", func(t *testing.T) { n.hookOfOperator(t, older, newer) })
	step("purge of a program that does not run", func(t *testing.T) {
		n.shell(t, "rm -r /etc/nova") // its files could not be put back
		before := n.files(t)
		n.apt(t, "install", "virt-netboot")
		n.run(t, "virt-netboot", "enable", "--yes")
		n.shell(t, "rm /usr/bin/virt-netboot; echo nonsense >/usr/bin/virt-netboot; chmod 755 /usr/bin/virt-netboot")
		n.apt(t, "purge", "virt-netboot")
		n.run(t, "virsh", "version")
		n.green(t, "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket")
		n.asBefore(t, before)
	})
	step("where the hook cannot be linked", n.hookElsewhere)
	step("as an RPM", func(t *testing.T) {
		n.novasFile(t)
		n.livesAsRPM(t, rpmIn(t, filepath.Dir(older)), rpmIn(t, filepath.Dir(newer)))
	})
}
