package probe

import (
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/virt-netboot/virt-netboot/internal/testing/frames"
)

// TestDiscoverIPXE holds the probe's requests against those of real iPXE: the
// captures are the first packets of QEMU 7.2 with Debian 12's option ROMs, under
// SeaBIOS and under OVMF.
func TestDiscoverIPXE(t *testing.T) {
	for firmware, capture := range map[Firmware]string{BIOS: "testdata/ipxe-bios.pcap", UEFI: "testdata/ipxe-uefi.pcap"} {
		t.Run(string(firmware), func(t *testing.T) {
			real := readCapture(t, capture)
			ours, err := DiscoverIPXE(real.ClientHWAddr, firmware)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(contents(t, real), contents(t, ours)); diff != "" {
				t.Errorf("-real iPXE +probe:\n%s", diff)
			}
			if !ours.IsBroadcast() {
				t.Error("the answer may go to another interface than the probe's: the request has no broadcast flag")
			}
		})
	}
}

// TestDiscoverOrdinary: nothing in the request makes it iPXE's, or firmware's.
func TestDiscoverOrdinary(t *testing.T) {
	d, err := DiscoverOrdinary(net.HardwareAddr{2, 0, 0, 0, 0, 1})
	if err != nil {
		t.Fatal(err)
	}
	got := contents(t, d)
	want := map[uint8]string{53: "\x01", 55: "\x01\x1c\x02\x03\x0f\x06\x77\x0c\x2c\x2f\x1a\x79\x2a"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// contents are the options of a message by their code, those within iPXE's own
// option by their code too, as their order means nothing.
func contents(t *testing.T, d *dhcpv4.DHCPv4) map[uint8]string {
	t.Helper()
	all := make(map[uint8]string)
	for code, value := range d.Options {
		all[code] = string(value)
	}
	inner := make(dhcpv4.Options)
	if err := inner.FromBytes(d.Options.Get(optionEncapsulated)); err != nil {
		t.Fatal(err)
	}
	if len(inner) > 0 {
		all[optionEncapsulated.Code()] = inner.String()
	}
	return all
}

// readCapture reads the DHCP message in the first packet of a capture.
func readCapture(t *testing.T, path string) *dhcpv4.DHCPv4 {
	t.Helper()
	all, err := frames.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	udp := gopacket.NewPacket(all[0].Data, layers.LayerTypeEthernet, gopacket.Default).Layer(layers.LayerTypeUDP)
	d, err := dhcpv4.FromBytes(udp.LayerPayload())
	if err != nil {
		t.Fatal(err)
	}
	return d
}
