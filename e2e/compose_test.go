package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestCompose changes a domain's devices and starts it without waiting, as MAAS and
// vagrant-libvirt do. The rules, which could deny that first start, hold at it.
func TestCompose(t *testing.T) {
	const config = `
rules:
  - {name: first, match: {bridge: [br-first]}, unprepared: deny}
  - {name: all, match: {bridge: [br-all]}, boot_nic: all, unprepared: deny}
  - {name: one, boot_nic: {bridge: br-one}, unprepared: deny}
`
	nic := func(n int, bridge string) string {
		return fmt.Sprintf("<interface type='bridge'><mac address='52:54:00:00:00:0%d'/><source bridge='%s'/><model type='virtio'/></interface>", n, bridge)
	}
	lab.Run(t, lab.Options{Hook: true, Config: config}, func(t *testing.T, l *lab.Lab) {
		for _, bridge := range []string{"br-first", "br-all", "br-one", "br-none"} {
			if err := l.AddBridge(t.Context(), bridge); err != nil {
				t.Fatal(err)
			}
		}
		g := novaGuest(t, l, "image-qcow2-neutron")
		ordered := strings.Replace(g.Document, `<boot dev="hd"/>`, "", 1)
		ordered = strings.Replace(ordered, "</disk>", "<boot order='1'/></disk>", 1)
		before, rest, _ := strings.Cut(ordered, "<interface")
		_, after, _ := strings.Cut(rest, "</interface>")
		startAgent(t, l)
		for name, c := range map[string]struct {
			defined []string
			change  string // virsh's command
			devices []string
			want    map[string]int
		}{
			"attach": {nil, "attach-device", []string{nic(1, "br-one")}, map[string]int{"net0": 1, "virtio-disk0": 2}},
			"attach several": {
				nil, "attach-device", []string{nic(1, "br-all"), nic(2, "br-all"), nic(3, "br-all"), nic(4, "br-all"), nic(5, "br-all")},
				map[string]int{"net0": 1, "net1": 2, "net2": 3, "net3": 4, "net4": 5, "virtio-disk0": 6},
			},
			"update": {
				[]string{nic(1, "br-none"), nic(2, "br-none")}, "update-device", []string{nic(2, "br-one")},
				map[string]int{"net1": 1, "virtio-disk0": 2},
			},
			"detach": {
				[]string{nic(1, "br-first"), nic(2, "br-first")}, "detach-device", []string{nic(1, "br-first")},
				// The disk had 2 behind the first interface, and moves back by one for the second.
				map[string]int{"net0": 1, "virtio-disk0": 3},
			},
		} {
			t.Run(name, func(t *testing.T) {
				domain := writeFile(t, "domain.xml", before+strings.Join(c.defined, "")+after)
				var commands strings.Builder
				for _, device := range c.devices {
					fmt.Fprintf(&commands, "%s --config %s %s; ", c.change, g.Name, writeFile(t, "device.xml", device))
				}
				for range 2 { // an agent that is late now and then is found
					virshGateway(t, l, "define", domain)
					virshGateway(t, l, commands.String()+"start --paused "+g.Name)
					if diff := cmp.Diff(c.want, bootIndexes(t, l, g.Name)); diff != "" {
						t.Errorf("bootindex on QEMU's command line (-want +got):\n%s", diff)
					}
					virshGateway(t, l, fmt.Sprintf("destroy %s; undefine %[1]s", g.Name))
				}
			})
		}
	})
}
