package e2e

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

const blankDisk = "rules: [{only_if: blank-disk}]\n"

// TestOnlyIfBlankDisk defines guests through the gateway, each with another disk,
// and starts them.
func TestOnlyIfBlankDisk(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		if err := l.WriteConfig(blankDisk); err != nil {
			t.Fatal(err)
		}
		startAgent(t, l)
		blank, mbr := make([]byte, 1<<20), mbrDisk(nil)
		gpt := append(make([]byte, 512), append([]byte("EFI PART"), blank...)...)
		gpt = gpt[:1<<20]
		rawMBR := writeDisk(t, "mbr.raw", mbr)
		if _, err := l.Command(t.Context(), "qemu-img", "convert", "-f", "raw", "-O", "qcow2", rawMBR, guestDir+"/mbr.qcow2"); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name, disk string
			network    bool
			starts     bool
			warning    string
		}{
			{"blank-raw", fileDisk(writeDisk(t, "blank.raw", blank), "raw"), true, true, ""},
			{"blank-qcow2", fileDisk(guestDir+"/blank.qcow2", "qcow2"), true, true, ""},
			{"mbr-raw", fileDisk(rawMBR, "raw"), false, true, ""},
			{"mbr-qcow2", fileDisk(guestDir+"/mbr.qcow2", "qcow2"), false, true, ""},
			{"gpt-raw", fileDisk(writeDisk(t, "gpt.raw", gpt), "raw"), false, true, ""},
			{"unreadable", fileDisk(writeDisk(t, "no.qcow2", blank), "qcow2"), true, false, "Image is not in qcow2 format"},
			{"remote", `<disk type='network' device='disk'>
      <driver name='qemu' type='raw'/>
      <source protocol='nbd' name='root'><host name='192.0.2.1' port='10809'/></source>
      <target dev='vda' bus='virtio'/>
    </disk>`, true, false, "it is of type network and not on this machine"},
		} {
			t.Run(c.name, func(t *testing.T) {
				g := smallGuest(t, l, c.name, c.disk)
				virshGateway(t, l, "define", g.File)
				want, indexes := bootDisk, bootIndex(0, 1)
				if c.network {
					want, indexes = bootNetwork, bootIndex(1, 2)
				}
				if err := definitionBoots(t, l, g, want)(); err != nil {
					t.Error(err)
				}
				if c.warning != "" {
					await(t, statusSays(t, l, c.warning))
					return
				}
				virsh(t, l, "start", "--paused", g.Name)
				if diff := cmp.Diff(indexes, bootIndexes(t, l, g.Name)); diff != "" {
					t.Errorf("boot indexes (-want +got):\n%s", diff)
				}
				virsh(t, l, "destroy", g.Name)
			})
		}
	})
}

// TestInstalled has a guest start from the network while its disk is blank. What is
// installed meanwhile is found by a reboot from inside, and by the next start.
func TestInstalled(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		if err := l.WriteConfig(blankDisk); err != nil {
			t.Fatal(err)
		}
		startAgent(t, l)
		disk := writeDisk(t, "installed.raw", make([]byte, 1<<20))
		g := smallGuest(t, l, "installed", fileDisk(disk, "raw"))
		virshGateway(t, l, "define", g.File)
		virsh(t, l, "start", "--paused", g.Name)
		await(t, func() error {
			if live := virsh(t, l, "dumpxml", g.Name); !strings.Contains(live, `once="done"`) {
				return errors.New("the agent has not told QEMU to try the disk first after a reset")
			}
			return nil
		})
		if err := os.WriteFile(disk, mbrDisk(rebooting), 0o600); err != nil {
			t.Fatal(err)
		}
		virsh(t, l, "reset", g.Name)
		virsh(t, l, "resume", g.Name)
		first := awaitDisk(t, g, 1)
		t.Logf("from a reset to what was installed: %v", first)
		if index := monitor(t, l, g.Name, `{"execute":"qom-get","arguments":{"path":"/machine/peripheral/net0","property":"bootindex"}}`); !strings.Contains(index, "1001") {
			t.Errorf("the interface's boot index is %s", index)
		}
		// libvirt has events of the reboots; the agent reads the disk again.
		await(t, definitionBoots(t, l, g, bootDisk))
		virsh(t, l, "destroy", g.Name)
		virsh(t, l, "start", "--paused", g.Name)
		if diff := cmp.Diff(bootIndex(0, 1), bootIndexes(t, l, g.Name)); diff != "" {
			t.Errorf("the next start: boot indexes (-want +got):\n%s", diff)
		}
	})
}

func monitor(t *testing.T, l *lab.Lab, domain, command string) string {
	t.Helper()
	return virsh(t, l, "qemu-monitor-command", domain, command)
}
