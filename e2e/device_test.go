package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"libvirt.org/go/libvirtxml"

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

// TestAttachDevice attaches an interface with a filterref to a running guest.
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

// checkDevice gives a guest a device, bypassing the gateway, where its filterref
// arrives, and through it, where it does not.
func checkDevice(t *testing.T, l *lab.Lab, device, tap, command string, flags ...string) {
	g := novaGuest(t, l, "image-qcow2-neutron")
	if err := l.DefineShortFilter(t.Context(), "nova-base"); err != nil {
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

// TestRevertDevice gives the interfaces back their filterrefs that the gateway, here
// without the reconciler, has removed. A guest whose devices bypassed the gateway shows
// what must come out.
func TestRevertDevice(t *testing.T) {
	attached := filteredInterface("fa:16:3e:00:00:02", "tap2")
	updated := filteredInterface("fa:16:3e:50:43:cd", "tap3e5043cd")
	unnamed := strings.Replace(filteredInterface("", "tap3"), "<mac address=''/>", "", 1)
	both := []string{"--live", "--config"}
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		if err := l.DefineShortFilter(t.Context(), "nova-base"); err != nil {
			t.Fatal(err)
		}
		if err := l.StartAgent(t.Context(), "--only", "gateway"); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name    string
			command string
			device  string
			flags   []string
		}{
			{"attach", "attach-device", attached, both},
			{"attach without flags", "attach-device", attached, nil},
			{"attach without MAC", "attach-device", unnamed, []string{"--config"}},
			{"update", "update-device", updated, both},
		} {
			t.Run(c.name, func(t *testing.T) { checkRevertDevice(t, l, c.device, c.command, c.flags...) })
		}
	})
}

func checkRevertDevice(t *testing.T, l *lab.Lab, device, command string, flags ...string) {
	g := novaGuest(t, l, "image-raw-filterref")
	call := append([]string{command, g.Name, writeFile(t, "interface.xml", device)}, flags...)
	begin := func(door virshFunc) {
		door(t, l, "define", g.File)
		door(t, l, "start", "--paused", g.Name)
		door(t, l, call...)
	}
	end := func() {
		virsh(t, l, "destroy", g.Name)
		virsh(t, l, "undefine", g.Name)
	}
	begin(virsh)
	want := bothFilterrefs(t, l, g.Name)
	end()

	// The interface that the domain is defined with has a record before.
	begin(virshGateway)
	defer end()
	if got := bothFilterrefs(t, l, g.Name); len(got[0])+len(got[1]) > 0 {
		t.Fatalf("filterrefs after the gateway: %v", got)
	}
	virtNetboot(t, l, "revert", g.Name)
	if diff := cmp.Diff(want, bothFilterrefs(t, l, g.Name)); diff != "" {
		t.Errorf("filterrefs (-bypassing the gateway +through it and reverted):\n%s", diff)
	}
}

// bothFilterrefs are the filterrefs of a running guest and of its definition.
func bothFilterrefs(t *testing.T, l *lab.Lab, domain string) [2][]*libvirtxml.DomainInterfaceFilterRef {
	t.Helper()
	var both [2][]*libvirtxml.DomainInterfaceFilterRef
	for i, flags := range [][]string{nil, {"--inactive"}} {
		for _, nic := range dumpxml(t, l, domain, flags...).Devices.Interfaces {
			if nic.FilterRef != nil {
				both[i] = append(both[i], nic.FilterRef)
			}
		}
	}
	return both
}

// checkFilters checks the nwfilters of a running domain, and the bridge rules of one of
// its interfaces, which must be there only with a filter.
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
