package probe

import (
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
)

func TestReadOffer(t *testing.T) {
	from := net.IPv4(10, 1, 0, 254)
	reply := []dhcpv4.Modifier{
		dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer),
		dhcpv4.WithYourIP(net.IPv4(10, 1, 0, 3)),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IPv4(10, 1, 0, 1))),
		dhcpv4.WithNetmask(net.CIDRMask(24, 32)),
	}
	plain := Offer{
		MAC: "02:00:00:00:00:01", Server: netip.MustParseAddr("10.1.0.1"),
		Address: netip.MustParseAddr("10.1.0.3"), Subnet: netip.MustParsePrefix("10.1.0.0/24"),
	}
	for _, tc := range []struct {
		name   string
		modify []dhcpv4.Modifier
		want   func(o *Offer)
		none   bool
	}{
		{name: "plain", want: func(*Offer) {}},
		{
			name:   "boot file in the header, on the server named there",
			modify: []dhcpv4.Modifier{func(d *dhcpv4.DHCPv4) { d.BootFileName = "boot.ipxe" }, dhcpv4.WithServerIP(net.IPv4(10, 1, 0, 9))},
			want:   func(o *Offer) { o.BootFile, o.NextServer = "boot.ipxe", netip.MustParseAddr("10.1.0.9") },
		},
		{
			name: "boot file in an option, which wins",
			modify: []dhcpv4.Modifier{
				func(d *dhcpv4.DHCPv4) { d.BootFileName = "boot.ipxe" },
				dhcpv4.WithOption(dhcpv4.OptBootFileName("http://10.1.0.9/x")),
			},
			want: func(o *Offer) { o.BootFile = "http://10.1.0.9/x" },
		},
		{
			name:   "a next server without a boot file",
			modify: []dhcpv4.Modifier{dhcpv4.WithServerIP(net.IPv4(10, 1, 0, 9))},
			want:   func(*Offer) {},
		},
		{
			name:   "no identifier: where it came from",
			modify: []dhcpv4.Modifier{dhcpv4.WithoutOption(dhcpv4.OptionServerIdentifier)},
			want:   func(o *Offer) { o.Server = netip.MustParseAddr("10.1.0.254") },
		},
		{
			name:   "no netmask",
			modify: []dhcpv4.Modifier{dhcpv4.WithoutOption(dhcpv4.OptionSubnetMask)},
			want:   func(o *Offer) { o.Subnet = netip.Prefix{} },
		},
		{
			name:   "a disk in the network",
			modify: []dhcpv4.Modifier{dhcpv4.WithOption(dhcpv4.OptRootPath("iscsi:10.1.0.9::::iqn.2026-01.test:a"))},
			want:   func(o *Offer) { o.RootPath = "iscsi:10.1.0.9::::iqn.2026-01.test:a" },
		},
		{
			name:   "PXE's menu",
			modify: []dhcpv4.Modifier{dhcpv4.WithGeneric(dhcpv4.OptionVendorSpecificInformation, []byte{6, 1, 7, 9, 3, 0, 0, 0, 255})},
			want:   func(o *Offer) { o.BootMenu = true },
		},
		{
			name:   "other options of a vendor's",
			modify: []dhcpv4.Modifier{dhcpv4.WithGeneric(dhcpv4.OptionVendorSpecificInformation, []byte{6, 1, 9, 255})},
			want:   func(*Offer) {},
		},
		{
			name:   "unreadable options of a vendor's",
			modify: []dhcpv4.Modifier{dhcpv4.WithGeneric(dhcpv4.OptionVendorSpecificInformation, []byte{9, 200})},
			want:   func(*Offer) {},
		},
		{
			name: "a proxyDHCP server's",
			modify: []dhcpv4.Modifier{
				dhcpv4.WithYourIP(net.IPv4zero), dhcpv4.WithOption(dhcpv4.OptClassIdentifier("PXEClient")),
				dhcpv4.WithOption(dhcpv4.OptBootFileName("boot.ipxe")),
			},
			want: func(o *Offer) {
				o.Proxy, o.Address, o.Subnet, o.BootFile = true, netip.Addr{}, netip.Prefix{}, "boot.ipxe"
			},
		},
		{
			name:   "an address with PXE's class",
			modify: []dhcpv4.Modifier{dhcpv4.WithOption(dhcpv4.OptClassIdentifier("PXEClient"))},
			want:   func(*Offer) {},
		},
		{name: "neither an address nor PXE's class", modify: []dhcpv4.Modifier{dhcpv4.WithYourIP(net.IPv4zero)}, none: true},
		{name: "an acknowledgement", modify: []dhcpv4.Modifier{dhcpv4.WithMessageType(dhcpv4.MessageTypeAck)}, none: true},
		{name: "a request", modify: []dhcpv4.Modifier{func(d *dhcpv4.DHCPv4) { d.OpCode = dhcpv4.OpcodeBootRequest }}, none: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			request, err := DiscoverOrdinary(net.HardwareAddr{2, 0, 0, 0, 0, 1})
			if err != nil {
				t.Fatal(err)
			}
			m, err := dhcpv4.NewReplyFromRequest(request, append(reply, tc.modify...)...)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := readOffer(m, from)
			if ok == tc.none {
				t.Fatalf("is an offer: %v", ok)
			}
			if tc.none {
				return
			}
			want := plain
			tc.want(&want)
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
