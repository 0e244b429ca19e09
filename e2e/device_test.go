package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// filteredInterface is an interface with a filterref.
func filteredInterface(mac, tap string) string {
	return fmt.Sprintf(`<interface type='bridge'>
  <mac address='%s'/>
  <source bridge='br100'/>
  <target dev='%s'/>
  <model type='virtio'/>
  <mtu size='1450'/>
  <filterref filter='nova-base'>
    <parameter name='DHCPSERVER' value='192.0.2.1'/>
    <parameter name='IP' value='192.0.2.2'/>
  </filterref>
</interface>
`, mac, tap)
}

// TestAttachDevice plugs an interface with a filterref into a running guest.
// Without a flag virsh calls ATTACH_DEVICE, with one ATTACH_DEVICE_FLAGS.
func TestAttachDevice(t *testing.T) {
	const tap = "tap2"
	device := filteredInterface("fa:16:3e:00:00:02", tap)
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		checkDevice(t, l, device, tap, "attach-device")
		checkDevice(t, l, device, tap, "attach-device", "--live", "--config")
	})
}

// TestUpdateDevice gives the interface of a running guest a filterref.
func TestUpdateDevice(t *testing.T) {
	const tap = "tap3e5043ce"
	device := filteredInterface("fa:16:3e:50:43:ce", tap)
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		checkDevice(t, l, device, tap, "update-device", "--live", "--config")
	})
}

// checkDevice brings a device to a guest past the gateway, where its filterref
// arrives, and through the gateway, where it does not.
func checkDevice(t *testing.T, l *lab.Lab, device, tap, command string, flags ...string) {
	g := novaGuest(t, l, "image-qcow2-neutron")
	if err := l.DefineFilter(t.Context(), "nova-base"); err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, "interface.xml", device)
	name := strings.Join(append([]string{command}, flags...), " ")
	check := func(t *testing.T, door virshFunc, filters []string) {
		door(t, l, "define", g.File)
		door(t, l, "start", "--paused", g.Name)
		door(t, l, append([]string{command, g.Name, file}, flags...)...)
		checkFilters(t, l, g.Name, filters, tap)
		if len(flags) > 0 {
			checkDefined(t, l, g, filters)
		}
		door(t, l, "destroy", g.Name)
		door(t, l, "undefine", g.Name)
	}
	t.Run("direct "+name, func(t *testing.T) { check(t, virsh, []string{"nova-base"}) })
	startAgent(t, l)
	t.Run("gateway "+name, func(t *testing.T) {
		check(t, virshGateway, nil)
		checkReconcilerIdle(t, l, g.Name)
	})
	if err := l.StopAgent(); err != nil {
		t.Error(err)
	}
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
