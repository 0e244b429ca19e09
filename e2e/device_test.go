package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

const secondInterface = `<interface type='bridge'>
  <mac address='fa:16:3e:00:00:02'/>
  <source bridge='br100'/>
  <target dev='tap2'/>
  <model type='virtio'/>
  <filterref filter='nova-base'>
    <parameter name='DHCPSERVER' value='192.0.2.1'/>
    <parameter name='IP' value='192.0.2.3'/>
  </filterref>
</interface>
`

// TestAttachDevice plugs an interface with a filterref into a guest that runs.
func TestAttachDevice(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		g := novaGuest(t, l, "image-qcow2-neutron")
		if err := l.DefineFilter(t.Context(), "nova-base"); err != nil {
			t.Fatal(err)
		}
		device := writeFile(t, "interface.xml", secondInterface)
		for _, door := range []struct {
			name    string
			virsh   virshFunc
			filters []string
		}{
			{"gateway", virshGateway, nil},
			{"direct", virsh, []string{"nova-base"}},
		} {
			// Without a flag virsh calls ATTACH_DEVICE, with one ATTACH_DEVICE_FLAGS.
			for _, flags := range [][]string{nil, {"--live", "--config"}} {
				t.Run(strings.Join(append([]string{door.name}, flags...), " "), func(t *testing.T) {
					virsh(t, l, "define", g.File)
					virsh(t, l, "start", "--paused", g.Name)
					door.virsh(t, l, append([]string{"attach-device", g.Name, device}, flags...)...)
					checkFilters(t, l, g.Name, door.filters, "tap2")
					if flags != nil {
						checkDefined(t, l, g, door.filters)
					}
					virsh(t, l, "destroy", g.Name)
					virsh(t, l, "undefine", g.Name)
				})
			}
		}
	})
}

// TestUpdateDevice updates the interface of a guest with the document that it has
// already, filterref included, as a client does that only changes its link.
func TestUpdateDevice(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		g := novaGuest(t, l, "image-raw-filterref")
		virsh(t, l, "define", g.File)
		virsh(t, l, "start", "--paused", g.Name)
		filter := filters(g.Domain)
		nic, err := dumpxml(t, l, g.Name).Devices.Interfaces[0].Marshal()
		if err != nil {
			t.Fatal(err)
		}
		device := writeFile(t, "interface.xml", nic)

		virsh(t, l, "update-device", "--live", "--config", g.Name, device)
		checkFilters(t, l, g.Name, filter, "tap3e5043cd")
		checkDefined(t, l, g, filter)

		virshGateway(t, l, "update-device", "--live", "--config", g.Name, device)
		checkFilters(t, l, g.Name, nil, "tap3e5043cd")
		checkDefined(t, l, g, nil)
	})
}

// checkFilters looks at the nwfilters of a running domain, and at the bridge
// rules of one of its interfaces, which must be there with a filter only.
func checkFilters(t *testing.T, l *lab.Lab, domain string, want []string, tap string) {
	t.Helper()
	if diff := cmp.Diff(want, filters(dumpxml(t, l, domain))); diff != "" {
		t.Errorf("nwfilters of %s (-want +got):\n%s", domain, diff)
	}
	rules, err := l.Command(t.Context(), "ebtables", "-t", "nat", "-L")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Contains(rules, tap); got != (want != nil) {
		t.Errorf("ebtables has rules for %s: %t, want %t:\n%s", tap, got, want != nil, rules)
	}
}
