package e2e

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/internal/bootfile"
	"github.com/virt-netboot/virt-netboot/internal/port"
	"github.com/virt-netboot/virt-netboot/internal/probe"
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

// TestOVNOffer asks a real ovn-controller as iPXE and as an operating system do, and
// compares its answers with what is read from the flows that it made.
func TestOVNOffer(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		startOVN(t, l, "dhcp", "sec")
		ip(t, l, "link set %s address %s", guestEnd, filteredMAC)
		checkOffer(t, "", "")
		setOVNOptions(t, l, `bootfile_name="http://10.20.0.77/boot.ipxe"`)
		checkOffer(t, "http://10.20.0.77/boot.ipxe", "http://10.20.0.77/boot.ipxe")
		setOVNOptions(t, l, `bootfile_name_alt="undionly.kpxe"`, "next_server=10.20.0.77")
		checkOffer(t, "http://10.20.0.77/boot.ipxe", "undionly.kpxe")
		ovn(t, l, "remove", "DHCP_Options", ovnOptions(t, l), "options", "bootfile_name")
		checkOffer(t, "undionly.kpxe", "undionly.kpxe")
	})
}

// checkOffer compares OVN's offers to the guest's port, as they are read and as they
// come, with the boot files that iPXE and others are to get.
func checkOffer(t *testing.T, ipxe, ordinary string) {
	t.Helper()
	boot := port.AnyBoot()
	boot.MAC = mac(t, filteredMAC)
	report, err := new(port.Inspector).Inspect(t.Context(), filteredPort, boot)
	must(t, err)
	o := report.Offer
	if o == nil {
		t.Fatal("OVN offers nothing")
	}
	t.Log(o)
	if o.BootFile != ipxe || o.OtherBootFile != ordinary {
		t.Errorf("boot files %q, %q; want %q, %q", o.BootFile, o.OtherBootFile, ipxe, ordinary)
	}
	asIPXE, err := probe.DiscoverIPXE(boot.MAC, probe.BIOS)
	must(t, err)
	asOrdinary, err := probe.DiscoverOrdinary(boot.MAC)
	must(t, err)
	for _, ask := range []struct {
		request *dhcpv4.DHCPv4
		file    string
	}{{asIPXE, o.BootFile}, {asOrdinary, o.OtherBootFile}} {
		reply := offerTo(t, ask.request)
		want := o.Address.String() + " " + bootfile.URL(ask.file, o.NextServer)
		got := reply.YourIPAddr.String() + " " + bootfile.URL(bootfile.Of(reply))
		if got != want {
			t.Errorf("ovn-controller offers %q, want %q\n%s", got, want, reply.Summary())
		}
	}
}

// offerTo is the answer to a DHCPDISCOVER of the guest's.
func offerTo(t *testing.T, discover *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	t.Helper()
	client, err := nclient4.New(guestEnd)
	must(t, err)
	defer client.Close()
	reply, err := client.SendAndRead(t.Context(), nclient4.DefaultServers, discover, nclient4.IsMessageType(dhcpv4.MessageTypeOffer))
	must(t, err)
	return reply
}

// ovn changes OVN's northbound database, and waits until the node has the change.
func ovn(t *testing.T, l *lab.Lab, args ...string) {
	t.Helper()
	run(t, l, "ovn-nbctl", append([]string{"--wait=hv"}, args...)...)
}

// ovnOptions is the ID of OVN's DHCP options.
func ovnOptions(t *testing.T, l *lab.Lab) string {
	t.Helper()
	return strings.TrimSpace(run(t, l, "ovn-nbctl", "--bare", "--columns=_uuid", "list", "DHCP_Options"))
}

// setOVNOptions adds DHCP options, with the quotes that OVN wants around strings.
func setOVNOptions(t *testing.T, l *lab.Lab, options ...string) {
	t.Helper()
	args := []string{"set", "DHCP_Options", ovnOptions(t, l)}
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		args = append(args, fmt.Sprintf("options:%s=%q", name, value))
	}
	ovn(t, l, args...)
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
