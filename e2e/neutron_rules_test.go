package e2e

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/internal/port"
)

// TestNeutronRules sends the frames of a network boot through a port with the rules of
// Neutron's Linux bridge agent, and compares what passes with what is read from the
// rules.
func TestNeutronRules(t *testing.T) {
	for mode, want := range map[string]map[string]port.Verdict{
		"on": {
			"DHCPDISCOVER":             port.Passes,
			"DHCPOFFER from 10.77.0.1": port.Dropped,
			"ARP from 10.77.0.100":     port.Dropped,
			"IPv4 from 10.77.0.100":    port.Dropped,
			"as a server":              port.Dropped,
		},
		"pair": {
			"DHCPDISCOVER":             port.Passes,
			"DHCPOFFER from 10.77.0.1": port.Passes,
			"ARP from 10.77.0.100":     port.Passes,
			"IPv4 from 10.77.0.100":    port.Passes,
			"as a server":              port.Dropped,
		},
		"off": {
			"DHCPDISCOVER":             port.Passes,
			"DHCPOFFER from 10.77.0.1": port.Passes,
			"ARP from 10.77.0.100":     port.Passes,
			"IPv4 from 10.77.0.100":    port.Passes,
			"as a server":              port.Passes,
		},
	} {
		t.Run(mode, func(t *testing.T) {
			lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
				addFilteredPort(t, l)
				must(t, os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("1"), 0o644))
				root, err := lab.Root()
				must(t, err)
				run(t, l, filepath.Join(root, "e2e/testdata/neutron-rules.sh"), mode, filteredPort, filteredMAC, ownAddress)
				checkNeutron(t, want)
			})
		})
	}
}

func checkNeutron(t *testing.T, want map[string]port.Verdict) {
	boot := port.Boot{
		MAC: mac(t, filteredMAC), ServerMAC: mac(t, otherMAC),
		Server: netip.MustParseAddr(tenantServer), Lease: netip.MustParseAddr(leasedAddress),
	}
	frames, err := boot.Frames()
	must(t, err)
	offer, err := port.Boot{MAC: boot.MAC, Server: boot.Server, Lease: boot.Lease}.Offer()
	must(t, err)
	offer.Name = "as a server"
	rules, err := port.ReadRules(t.Context())
	must(t, err)
	judged, passed := map[string]port.Verdict{}, map[string]bool{}
	for _, f := range append(frames, offer) {
		from, to, in, out, last := guestEnd, otherEnd, filteredPort, otherPort, frameBuilder{t, filteredMAC}.arp(filteredMAC, ownAddress, novaServer)
		if f.Direction == port.In {
			from, to, in, out, last = otherEnd, guestEnd, otherPort, filteredPort, lastToGuest(t)
		}
		verdict, rule, err := rules.Pass(f.Bytes, novaBridge, in, out)
		must(t, err)
		t.Logf("%-26s %-8s %s", f.Name, verdict, rule)
		judged[f.Name] = verdict
		through(t, from, to, []filterFrame{newFrame(f.Name, f.Bytes)}, last, passed)
	}
	measured := map[string]port.Verdict{}
	for name := range judged {
		measured[name] = map[bool]port.Verdict{true: port.Passes, false: port.Dropped}[passed[name]]
	}
	if diff := cmp.Diff(want, measured); diff != "" {
		t.Errorf("what passed (-want +measured):\n%s", diff)
	}
	if diff := cmp.Diff(measured, judged); diff != "" {
		t.Errorf("verdicts by the rules (-measured +judged):\n%s", diff)
	}
}
