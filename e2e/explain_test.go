package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestExplain asks why an instance does not boot from the network, from the first cause
// to the last one: each is taken away by what it says.
func TestExplain(t *testing.T) {
	lab.Run(t, lab.Options{Config: "rules: [{filterref: keep}]\n"}, func(t *testing.T, l *lab.Lab) {
		root, err := lab.Root()
		must(t, err)
		g := novaGuest(t, l, "image-raw-filterref")
		virsh(t, l, "define", g.File)
		checkCause(t, l, g.Name, "not-in-sync")
		virtNetboot(t, l, "apply", g.Name)
		checkCause(t, l, g.Name, "not-running")
		virsh(t, l, "start", "--paused", g.Name)
		nic := dumpxml(t, l, g.Name).Devices.Interfaces[0]
		checkCause(t, l, g.Name, "nothing") // its nwfilter has one rule, which lets all pass

		ebtables := run(t, l, "ebtables-save")
		run(t, l, "ebtables", "-t", "nat", "-I", "libvirt-I-"+nic.Target.Dev, "-p", "ARP", "--arp-ip-src", "192.0.2.2", "-j", "DROP")
		checkCause(t, l, g.Name, "nwfilter")
		run(t, l, "ebtables", "-t", "nat", "-D", "libvirt-I-"+nic.Target.Dev, "-p", "ARP", "--arp-ip-src", "192.0.2.2", "-j", "DROP")
		if diff := cmp.Diff(stripComments(ebtables), stripComments(run(t, l, "ebtables-save"))); diff != "" {
			t.Fatalf("rules (-before +after):\n%s", diff)
		}

		run(t, l, filepath.Join(root, "e2e/testdata/neutron-rules.sh"), "on", nic.Target.Dev, nic.MAC.Address, ownAddress)
		checkCause(t, l, g.Name, "port-security")
		out, err := l.VirtNetboot(t.Context(), "explain", "--server", "10.77.0.1/24", g.Name)
		if err == nil || !strings.Contains(out, "openstack port set") || !strings.Contains(out, "10.77.0.2") {
			t.Errorf("virt-netboot explain: %v\n%s", err, out)
		}
	})
}

// TestExplainHistory: the page has how the domain came in, and the boot orders of its
// definition and of its guest.
func TestExplainHistory(t *testing.T) {
	lab.Run(t, lab.Options{Config: "rules: [{name: other, match: {bridge: [none]}}, {}]\n"}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		g := novaGuest(t, l, "image-raw-filterref")
		virshGateway(t, l, "define", g.File)
		virsh(t, l, "start", "--paused", g.Name)
		out := virtNetboot(t, l, "explain", g.Name)
		words := strings.Join(strings.Fields(out), " ")
		for _, want := range []string{
			"not rule other: its match by bridge does not fit",
			"definition boot order network, hd; firmware BIOS; ",
			"running guest boot order network, hd; firmware BIOS; ",
			"domain " + g.Name + " rewritten on its way to libvirt: ",
			"option ROM default",
		} {
			if !strings.Contains(words, want) {
				t.Errorf("virt-netboot explain lacks %q:\n%s", want, out)
			}
		}
	})
}

func checkCause(t *testing.T, l *lab.Lab, domain, want string) {
	t.Helper()
	out, err := l.VirtNetboot(t.Context(), "explain", "--json", domain)
	var e struct {
		Cause struct{ Kind, Text, Do string }
	}
	must(t, json.Unmarshal([]byte(out), &e))
	if e.Cause.Kind != want || (err == nil) != (want == "nothing") {
		t.Errorf("explain %s: %+v, %v; want %s", domain, e.Cause, err, want)
	}
	t.Log(fmt.Sprint(e.Cause))
}

func stripComments(dump string) string {
	var kept []string
	for line := range strings.Lines(dump) {
		if !strings.HasPrefix(line, "#") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
