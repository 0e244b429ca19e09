package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// virtioDisk is a blank disk, with more in the element.
func virtioDisk(t *testing.T, target, more string) string {
	t.Helper()
	return fmt.Sprintf(`<disk type='file'>
      <driver name='qemu' type='raw'/>
      <source file='%s'/>
      <target dev='%s' bus='virtio'/>
      %s
    </disk>`, writeDisk(t, target+".raw", make([]byte, 1<<20)), target, more)
}

// TestBootOrderDisk starts a guest whose second disk comes first in its document:
// the disk that libvirt boots is also the one that the rule lets boot.
func TestBootOrderDisk(t *testing.T) {
	lab.Run(t, lab.Options{Config: "rules: [{boot_nic: all}]\n"}, func(t *testing.T, l *lab.Lab) {
		second := `<interface type='bridge'><source bridge='br100'/><model type='virtio'/></interface>`
		g := smallGuest(t, l, "disks", virtioDisk(t, "vdb", "")+virtioDisk(t, "vda", "")+second)
		startAgent(t, l)
		for _, c := range []struct {
			name string
			door virshFunc
			want map[string]int
		}{
			{"direct", virsh, map[string]int{"virtio-disk0": 1}},
			{"gateway", virshGateway, map[string]int{"net0": 1, "net1": 2, "virtio-disk0": 3}},
		} {
			c.door(t, l, "create", "--paused", g.File)
			if diff := cmp.Diff(c.want, bootIndexes(t, l, g.Name)); diff != "" {
				t.Errorf("%s: boot indexes (-want +got):\n%s", c.name, diff)
			}
			virsh(t, l, "destroy", g.Name)
		}
	})
}

// TestBootOrderDevice updates and attaches devices with the boot orders that the
// client gave them. The rule has moved them since, and still no call fails that would
// succeed bypassing the gateway.
func TestBootOrderDevice(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		cdrom := strings.NewReplacer("<disk", "<disk device='cdrom'", "virtio", "ide").Replace(virtioDisk(t, "hdc", "<boot order='2'/>"))
		g := smallGuest(t, l, "devices", virtioDisk(t, "vda", "<boot order='1'/>")+cdrom)
		document := writeFile(t, "devices.xml", strings.Replace(g.Document, "<boot dev='hd'/>", "", 1))
		updated := writeFile(t, "cdrom.xml", cdrom)
		third := writeFile(t, "third.xml", virtioDisk(t, "vdb", "<boot order='3'/>"))
		calls := func(door virshFunc) map[string]uint {
			door(t, l, "define", document)
			door(t, l, "start", "--paused", g.Name)
			door(t, l, "update-device", g.Name, updated, "--live")
			door(t, l, "update-device", g.Name, updated, "--config")
			door(t, l, "attach-device", g.Name, third, "--config")
			defined := dumpxml(t, l, g.Name, "--inactive")
			door(t, l, "destroy", g.Name)
			door(t, l, "undefine", g.Name)
			return deviceOrders(defined)
		}
		if diff := cmp.Diff(map[string]uint{"vda": 1, "hdc": 2, "vdb": 3}, calls(virsh)); diff != "" {
			t.Errorf("direct (-want +got):\n%s", diff)
		}
		startAgent(t, l)
		want := map[string]uint{"fa:16:3e:00:00:01": 1, "vda": 2, "hdc": 3, "vdb": 4}
		if diff := cmp.Diff(want, calls(virshGateway)); diff != "" {
			t.Errorf("gateway (-want +got):\n%s", diff)
		}
	})
}

// deviceOrders are the boot orders of the disks and interfaces that have one.
func deviceOrders(d libvirtxml.Domain) map[string]uint {
	orders := map[string]uint{}
	for _, disk := range d.Devices.Disks {
		if disk.Boot != nil {
			orders[disk.Target.Dev] = disk.Boot.Order
		}
	}
	for _, n := range d.Devices.Interfaces {
		if n.Boot != nil {
			orders[n.MAC.Address] = n.Boot.Order
		}
	}
	return orders
}
