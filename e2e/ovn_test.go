package e2e

import (
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/internal/port"
)

// TestOVN sends the frames of a network boot through a port of a real OVN, and compares
// what passes with what Open vSwitch's trace says of it.
func TestOVN(t *testing.T) {
	const arp, ip, asServer = "ARP from " + leasedAddress, "IPv4 from " + leasedAddress, "DHCPOFFER from " + tenantServer + " in this instance"
	secure := map[string]port.Verdict{arp: port.Dropped, ip: port.Dropped, asServer: port.Dropped}
	open := map[string]port.Verdict{arp: port.Passes, ip: port.Passes, asServer: port.Passes}
	for _, c := range []struct {
		dhcp, security string
		discover       port.Verdict
		others         map[string]port.Verdict
	}{
		{"dhcp", "sec", port.Answered, secure},
		{"dhcp", "nosec", port.Answered, open},
		{"nodhcp", "sec", port.Passes, secure},
		{"nodhcp", "nosec", port.Passes, open},
	} {
		t.Run(c.dhcp+" "+c.security, func(t *testing.T) {
			lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
				want := map[string]port.Verdict{"DHCPDISCOVER": c.discover}
				for name, verdict := range c.others {
					want[name] = verdict
				}
				startOVN(t, l, c.dhcp, c.security)
				checkOVN(t, want)
			})
		})
	}
}

func startOVN(t *testing.T, l *lab.Lab, arguments ...string) {
	t.Helper()
	for end, port := range map[string]string{guestEnd: filteredPort, otherEnd: otherPort} {
		ip(t, l, "link add %s type veth peer name %s", port, end)
		ip(t, l, "link set %s up", port)
		ip(t, l, "link set %s up", end)
	}
	root, err := lab.Root()
	must(t, err)
	run(t, l, "env", append([]string{
		"GUEST_PORT=" + filteredPort, "GUEST_MAC=" + filteredMAC, "GUEST_ADDRESS=" + ownAddress,
		"OTHER_PORT=" + otherPort, "OTHER_MAC=" + otherMAC, "OTHER_ADDRESS=" + neighbourAddress,
		filepath.Join(root, "e2e/testdata/ovn.sh"),
	}, arguments...)...)
}

func checkOVN(t *testing.T, want map[string]port.Verdict) {
	t.Helper()
	boot := port.Boot{
		MAC: mac(t, filteredMAC), ServerMAC: mac(t, otherMAC),
		Server: netip.MustParseAddr(tenantServer), Lease: netip.MustParseAddr(leasedAddress),
	}
	report, err := new(port.Inspector).Inspect(t.Context(), filteredPort, boot)
	must(t, err)
	if report.Switch != port.OVN || report.Bridge != "br-int" {
		t.Errorf("the port is in %s %s, want ovn br-int", report.Switch, report.Bridge)
	}
	frames, err := boot.Frames()
	must(t, err)
	offer, err := boot.Offer()
	must(t, err)
	bytes := map[string][]byte{offer.Name: offer.Bytes}
	for _, f := range frames {
		if f.Direction == port.Out {
			bytes[f.Name] = f.Bytes
		}
	}
	judged, passed := map[string]port.Verdict{}, map[string]bool{}
	for _, p := range append(report.Frames, report.AsServer) {
		if p.Direction == port.In {
			continue
		}
		t.Logf("%-26s %-8s %s", p.Frame, p.Verdict, p.Rule)
		judged[p.Frame] = p.Verdict
		last := frameBuilder{t, filteredMAC}.udp4(ownAddress, neighbourAddress, 1024, 80, []byte("the last one, which passes"))
		through(t, guestEnd, otherEnd, []filterFrame{newFrame(p.Frame, bytes[p.Frame])}, last, passed)
	}
	if diff := cmp.Diff(want, judged); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	for name, verdict := range judged {
		if passed[name] != (verdict == port.Passes) {
			t.Errorf("%s: %s, but it came through: %t", name, verdict, passed[name])
		}
	}
}
