package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

const (
	installerName = "installer"
	guestDir      = "/var/lib/libvirt/images"
	bootNetwork   = "network, hd"
	bootDisk      = "hd"
)

// rebooting is a boot sector that writes a D to the serial line, waits a while and
// reboots from inside through the keyboard controller, as an installer does at its
// end:
//
//	mov dx,0x3f8; mov al,'D'; out dx,al
//	mov ah,0x86; mov cx,1; xor dx,dx; int 0x15   wait 65,536 µs
//	mov al,0xfe; out 0x64,al; hlt
var rebooting = []byte("\xba\xf8\x03\xb0D\xee\xb4\x86\xb9\x01\x00\x31\xd2\xcd\x15\xb0\xfe\xe6\x64\xf4")

// mbrDisk is a raw disk of a MiB with a boot sector.
func mbrDisk(code []byte) []byte {
	disk := make([]byte, 1<<20)
	copy(disk, code)
	copy(disk[510:], "\x55\xaa")
	return disk
}

// smallGuest prepares a guest with one disk and one interface, on which no server
// answers DHCP.
func smallGuest(t *testing.T, l *lab.Lab, name, disk string) *lab.Guest {
	t.Helper()
	g, err := l.Prepare(t.Context(), fmt.Sprintf(`<domain type='qemu'>
  <name>%s</name>
  <memory unit='MiB'>64</memory>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <boot dev='hd'/>
  </os>
  <devices>
    %s
    <interface type='bridge'>
      <mac address='fa:16:3e:00:00:01'/>
      <source bridge='br100'/>
      <model type='virtio'/>
    </interface>
    <serial type='file'>
      <source path='%s/%s.log'/>
    </serial>
  </devices>
</domain>
`, name, disk, guestDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func fileDisk(path, format string) string {
	return fmt.Sprintf(`<disk type='file' device='disk'>
      <driver name='qemu' type='%s'/>
      <source file='%s'/>
      <target dev='vda' bus='virtio'/>
    </disk>`, format, path)
}

func writeDisk(t *testing.T, name string, content []byte) string {
	t.Helper()
	if err := os.MkdirAll(guestDir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(guestDir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func installer(t *testing.T, l *lab.Lab) *lab.Guest {
	t.Helper()
	g := smallGuest(t, l, installerName, fileDisk(writeDisk(t, "installer.raw", mbrDisk(rebooting)), "raw"))
	virsh(t, l, "define", g.File)
	return g
}

// diskBoots is how often the disk's boot sector has run.
func diskBoots(g *lab.Guest) int {
	serial, err := os.ReadFile(g.Domain.Devices.Serials[0].Source.File.Path)
	if err != nil {
		return 0
	}
	return bytes.Count(serial, []byte("D"))
}

// awaitDisk waits until the disk's boot sector has run n times more and returns how
// long that took.
func awaitDisk(t *testing.T, g *lab.Guest, n int) time.Duration {
	t.Helper()
	began, want := time.Now(), diskBoots(g)+n
	for diskBoots(g) < want {
		if time.Since(began) > 4*time.Minute {
			t.Fatalf("%s has not booted from its disk", g.Name)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(began)
}

func definitionBoots(t *testing.T, l *lab.Lab, g *lab.Guest, want string) func() error {
	return func() error {
		if boots := bootDevices(dumpxml(t, l, g.Name, "--inactive")); boots != want {
			return fmt.Errorf("the definition of %s boots from %s, not %s", g.Name, boots, want)
		}
		return nil
	}
}

func checkIndexes(t *testing.T, l *lab.Lab, when string, want map[string]int) {
	t.Helper()
	if diff := cmp.Diff(want, bootIndexes(t, l, installerName)); diff != "" {
		t.Errorf("%s: boot indexes (-want +got):\n%s", when, diff)
	}
}

func bootIndex(network, disk int) map[string]int {
	indexes := map[string]int{"virtio-disk0": disk}
	if network > 0 {
		indexes["net0"] = network
	}
	return indexes
}

// TestOnce has a guest boot from the network at one start: a reboot from inside and
// the next start find its disk. No server answers DHCP, so how long the disk waits
// tells whether the network was tried.
func TestOnce(t *testing.T) {
	for name, rule := range map[string]string{
		"keep":          "boot: keep",
		"network-first": "boot: network-first",
		"no rule":       "match: {name: other}",
	} {
		t.Run(name, func(t *testing.T) {
			lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
				if err := l.WriteConfig("rules: [{" + rule + "}]\n"); err != nil {
					t.Fatal(err)
				}
				g := installer(t, l)
				startAgent(t, l)
				out := virtNetboot(t, l, "once", "--config", lab.ConfigPath, g.Name)
				if !strings.Contains(out, "installer: after that start it boots from: disk\n") {
					t.Errorf("once says\n%s", out)
				}
				if err := definitionBoots(t, l, g, bootNetwork)(); err != nil {
					t.Error(err)
				}
				await(t, statusSays(t, l, "installer: once: pending"))

				virsh(t, l, "start", g.Name)
				began := time.Now()
				checkIndexes(t, l, "first start", bootIndex(1, 2))
				await(t, definitionBoots(t, l, g, bootDisk))
				network := awaitDisk(t, g, 1)
				inside := awaitDisk(t, g, 1)
				t.Logf("from power on to the disk with the network first: %v; after a reboot from inside: %v",
					time.Since(began)-inside, inside)
				if inside > network/2 {
					t.Errorf("the reboot from inside took %v, so it has tried the network", inside)
				}
				await(t, statusSays(t, l, "installer: once: done"))

				virsh(t, l, "destroy", g.Name)
				virsh(t, l, "start", g.Name)
				checkIndexes(t, l, "second start", bootIndex(0, 1))
				t.Logf("from power on to the disk with the disk first: %v", awaitDisk(t, g, 1))
			})
		})
	}
}

// statusSays returns nil when the text is in virt-netboot status.
func statusSays(t *testing.T, l *lab.Lab, text string) func() error {
	return func() error {
		if out := virtNetboot(t, l, "status"); !strings.Contains(out, text) {
			return fmt.Errorf("status does not say %q:\n%s", text, out)
		}
		return nil
	}
}

// TestOnceCancel removes the mark, before the start and after it, and the rule decides
// again.
func TestOnceCancel(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := installer(t, l)
		before := virsh(t, l, "dumpxml", "--inactive", g.Name)
		keep := writeFile(t, "keep.yaml", "rules: [{boot: keep}]\n")
		virtNetboot(t, l, "once", "--config", keep, g.Name)
		if err := definitionBoots(t, l, g, bootNetwork)(); err != nil {
			t.Error(err)
		}
		virtNetboot(t, l, "once", "--cancel", "--config", keep, g.Name)
		if diff := cmp.Diff(before, virsh(t, l, "dumpxml", "--inactive", g.Name)); diff != "" {
			t.Errorf("after --cancel (-before +after):\n%s", diff)
		}

		startAgent(t, l)
		await(t, definitionBoots(t, l, g, bootNetwork))
		virtNetboot(t, l, "once", g.Name)
		virsh(t, l, "start", "--paused", g.Name)
		await(t, definitionBoots(t, l, g, bootDisk))
		if out := virtNetboot(t, l, "once", "--cancel", g.Name); !strings.Contains(out, "boot order network, hd instead of hd") {
			t.Errorf("--cancel says\n%s", out)
		}
		if err := definitionBoots(t, l, g, bootNetwork)(); err != nil {
			t.Error(err)
		}
		if out := virtNetboot(t, l, "once", "--cancel", g.Name); out != "installer: not marked\n" {
			t.Errorf("a second --cancel says %q", out)
		}
	})
}

// TestOnceWithoutAgent starts a marked guest while no agent runs. One that comes
// later puts the order back, since the guest's own document says what happened.
func TestOnceWithoutAgent(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := installer(t, l)
		virtNetboot(t, l, "once", g.Name)
		virsh(t, l, "start", "--paused", g.Name)
		checkIndexes(t, l, "without the agent", bootIndex(1, 2))
		startAgent(t, l)
		await(t, definitionBoots(t, l, g, bootDisk))
		await(t, func() error {
			if live := virsh(t, l, "dumpxml", g.Name); !strings.Contains(live, `once="done"`) {
				return errors.New("the running guest still has the mark as pending")
			}
			return nil
		})
		// A mark that comes while the guest runs is for its next start.
		virtNetboot(t, l, "once", g.Name)
		time.Sleep(time.Second)
		if err := definitionBoots(t, l, g, bootNetwork)(); err != nil {
			t.Errorf("the running guest has used a mark up that came after its start: %v", err)
		}
	})
}

// TestOnceDefinedAgain has Nova define a marked domain from scratch, as for a hard
// reboot.
func TestOnceDefinedAgain(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-raw-filterref")
		startAgent(t, l)
		virshGateway(t, l, "define", g.File)
		virtNetboot(t, l, "once", g.Name)
		await(t, statusSays(t, l, g.Name+": once: pending"))
		virsh(t, l, "undefine", g.Name)
		virshGateway(t, l, "define", g.File)
		virsh(t, l, "start", "--paused", g.Name)
		await(t, definitionBoots(t, l, g, bootDisk))
		await(t, statusSays(t, l, g.Name+": once: done"))
		virsh(t, l, "destroy", g.Name)
		virsh(t, l, "undefine", g.Name)
		virshGateway(t, l, "define", g.File)
		if err := definitionBoots(t, l, g, bootDisk)(); err != nil {
			t.Error(err)
		}
	})
}

// TestOnceRefused names the domains that cannot be marked.
func TestOnceRefused(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-raw-filterref")
		refused := func(want string, args ...string) {
			t.Helper()
			out, err := l.VirtNetboot(t.Context(), append([]string{"once"}, args...)...)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("once %v: %q, error %v; want %q", args, out, err, want)
			}
		}
		refused("libvirt has no domain", g.Name)
		virsh(t, l, "create", "--paused", g.File)
		refused("it is transient", g.Name)
		virsh(t, l, "destroy", g.Name)
		virsh(t, l, "define", g.File)
		refused("the mode is observe", g.Name, "--config", writeFile(t, "observe.yaml", "mode: observe\n"))
		virtNetboot(t, l, "revert", g.Name)
		refused("it is reverted", g.Name)
	})
}
