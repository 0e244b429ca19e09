package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

const novaComputeConf = "/etc/nova/nova-compute.conf"

// illness is something that keeps instances from booting from the network.
type illness struct {
	name string
	want findings
	says string // in what was found or is to be done
	// cause makes the node ill and returns what makes it well again.
	cause func(t *testing.T, l *lab.Lab) (cure func())
}

func illnesses() []illness {
	romDir := lab.ROMDir()
	return []illness{
		{"hook missing", findings{"hook-installed": "failure", "hook-found": "failure"}, "there is no " + lab.HookPath,
			func(t *testing.T, l *lab.Lab) func() {
				must(t, os.Remove(lab.HookPath))
				return func() { installHook(t, l) }
			}},
		{"hook not executable", findings{"hook-installed": "failure", "hook-found": "failure"}, "is not executable",
			func(t *testing.T, l *lab.Lab) func() {
				must(t, os.Chmod(lab.HookPath, 0o644))
				return func() { installHook(t, l) }
			}},
		{"another hook", findings{"hook-installed": "failure"}, "is another program", anotherHook},
		{"agent down", findings{"agent": "failure", "gateway": "failure", "reconcile": "warning"}, "nothing listens at " + lab.GatewaySocket,
			func(t *testing.T, l *lab.Lab) func() {
				must(t, l.StopAgent())
				return func() { startAgent(t, l) }
			}},
		{"gateway in front of another libvirt", findings{"gateway": "failure"}, "in front of another libvirt", agentElsewhere},
		{"libvirt down", findings{"libvirt": "failure", "gateway": "failure", "nwfilter": "warning", "option-rom-readable": "warning"},
			"systemctl start libvirtd",
			func(t *testing.T, l *lab.Lab) func() {
				must(t, l.StopLibvirtd())
				return func() { must(t, l.StartLibvirtd(t.Context())) }
			}},
		{"Nova bypassing the gateway", findings{"nova": "failure"}, novaComputeConf + ":2",
			func(t *testing.T, _ *lab.Lab) func() {
				put(t, novaComputeConf, "[Libvirt]\nconnection_uri = qemu:///system\n")
				return func() { must(t, os.Remove(novaComputeConf)) }
			}},
		{"option ROMs missing", findings{"option-rom": "failure", "option-rom-readable": "warning"}, romDir,
			func(t *testing.T, _ *lab.Lab) func() {
				return mountOver(t, romDir)
			}},
		{"option ROM unreadable", findings{"option-rom-readable": "failure"}, "has mode 600",
			func(t *testing.T, _ *lab.Lab) func() {
				rom := filepath.Join(romDir, "efi-virtio.rom")
				text, err := os.ReadFile(rom)
				must(t, err)
				cure := mountOver(t, romDir)
				must(t, os.WriteFile(rom, text, 0o600))
				return cure
			}},
		{"option ROM for UEFI alone under SeaBIOS", findings{"option-rom": "failure"}, "nothing for BIOS but for UEFI on x86-64: it sends no frame",
			func(t *testing.T, l *lab.Lab) func() {
				rom := filepath.Join(romDir, "efi-virtio.rom")
				text, err := os.ReadFile(rom)
				must(t, err)
				bios := 512 * int(text[2]) // the first image, whose length is in its third byte
				unmount := mountOver(t, romDir)
				must(t, os.WriteFile(rom, text[bios:], 0o644))
				g := novaGuest(t, l, "image-qcow2-neutron")
				virshGateway(t, l, "define", g.File)
				return func() {
					virsh(t, l, "undefine", g.Name)
					unmount()
				}
			}},
		{"nwfilter missing", findings{"nwfilter": "failure"}, "clean-traffic",
			func(t *testing.T, l *lab.Lab) func() {
				virsh(t, l, "nwfilter-undefine", "clean-traffic")
				return func() { must(t, l.DefineFilter(t.Context(), "clean-traffic")) }
			}},
		{"configuration broken", findings{"config": "failure", "libvirt": "warning", "gateway": "warning",
			"nova": "warning", "nwfilter": "warning", "files": "warning"}, "      |                          ^",
			func(t *testing.T, l *lab.Lab) func() {
				must(t, l.WriteConfig("rules:\n  - {name: strict, boot: first}\n"))
				return func() { must(t, l.WriteConfig(doctorConfig)) }
			}},
	}
}

// anotherHook installs a hook that the doctor does not know, and must not run.
func anotherHook(t *testing.T, l *lab.Lab) func() {
	t.Helper()
	const trace = "/run/another-hook-ran"
	must(t, l.InstallHookScript([]byte("#!/bin/sh\ntouch "+trace+"\n")))
	reloadLibvirtd(t)
	return func() {
		if _, err := os.Stat(trace); err == nil {
			t.Error("the doctor ran a program that it does not know")
		}
		installHook(t, l)
	}
}

// agentElsewhere starts the agent in front of a libvirtd of its own, with a
// configuration that the doctor does not read.
func agentElsewhere(t *testing.T, l *lab.Lab) func() {
	t.Helper()
	must(t, l.StopAgent())
	dir := t.TempDir()
	other := filepath.Join(dir, "libvirt")
	must(t, os.Mkdir(other, 0o755))
	const mounts = "mount --bind $1/libvirt /run/libvirt && mount -t tmpfs none /var/lib/libvirt && mount -t tmpfs none /etc/libvirt/qemu && exec libvirtd --pid-file $1/pid"
	stopLibvirtd := startProgram(t, "unshare", "--mount", "sh", "-c", mounts, "sh", dir)
	await(t, func() error {
		_, err := os.Stat(filepath.Join(other, "libvirt-sock"))
		return err
	})
	config := filepath.Join(dir, "config.yaml")
	put(t, config, "gateway: {upstream: "+other+"/libvirt-sock}\nmetrics: {listen: ''}\nfiles: []\n")
	stopAgent := startProgram(t, filepath.Join(os.Getenv("VIRT_NETBOOT_BIN"), "virt-netboot"), "agent", "--config", config)
	await(t, func() error {
		_, err := l.VirshGateway(t.Context(), "version")
		return err
	})
	return func() {
		stopAgent()
		stopLibvirtd()
		startAgent(t, l)
	}
}

// mountOver mounts an empty directory over one.
func mountOver(t *testing.T, dir string) (unmount func()) {
	t.Helper()
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"))
	return func() { must(t, unix.Unmount(dir, 0)) }
}
