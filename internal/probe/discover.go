package probe

import (
	"fmt"
	"net"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// Client is a kind of DHCP client.
type Client string

const (
	IPXE     Client = "ipxe"     // iPXE, by its user class
	Ordinary Client = "ordinary" // the DHCP client of an operating system
)

// Firmware is an instance's firmware. iPXE's requests name it.
type Firmware string

const (
	BIOS Firmware = "bios"
	UEFI Firmware = "uefi"
)

// userClass is iPXE's option 77. It is the bare string. RFC 3004, section 4, wants a
// list with the length of each class before it.
const userClass = "iPXE"

// optionEncapsulated is iPXE's own option, a list of options (DHCP_EB_ENCAP in
// iPXE's ipxe/dhcp.h, whose names the comments below use).
var optionEncapsulated = dhcpv4.GenericOptionCode(175)

// ipxe is what differs between iPXE's requests under BIOS and under UEFI.
type ipxe struct {
	arch      iana.Arch
	undi      [2]byte // version of the Universal Network Driver Interface
	features  []byte  // what it can do (DHCP_EB_FEATURE_…)
	vendorTag string
}

// pxeExt is the one feature with another value than 1, its version.
const pxeExt = 0x10

// ipxeOf describes the iPXE in the option ROMs of QEMU's virtio network card, as
// Debian 12 ships them.
func ipxeOf(f Firmware) ipxe {
	if f == UEFI {
		return ipxe{iana.EFI_X86_64, [2]byte{3, 10}, []byte{0x11, 0x12, 0x13, 0x15, 0x17, 0x24, 0x27, 0x29}, "PXEClient:Arch:00007:UNDI:003010"}
	}
	return ipxe{iana.INTEL_X86PC, [2]byte{2, 1}, []byte{pxeExt, 0x11, 0x12, 0x13, 0x15, 0x17, 0x18, 0x19, 0x21, 0x22, 0x27, 0x29}, "PXEClient:Arch:00000:UNDI:002001"}
}

// DiscoverIPXE is a DHCPDISCOVER (RFC 2131) like that of iPXE's option ROM under the
// firmware. Only the broadcast flag differs: the answer must reach the probe also when
// it asks with another's MAC address.
func DiscoverIPXE(mac net.HardwareAddr, f Firmware) (*dhcpv4.DHCPv4, error) {
	as := ipxeOf(f)
	const undi = 1 // the interface type (RFC 4578, section 2.2)
	return discover(mac,
		dhcpv4.WithOption(dhcpv4.OptMaxMessageSize(1472)),
		dhcpv4.WithOption(dhcpv4.OptClientArch(as.arch)),
		dhcpv4.WithGeneric(dhcpv4.OptionClientNetworkInterfaceIdentifier, []byte{undi, as.undi[0], as.undi[1]}),
		dhcpv4.WithOption(dhcpv4.OptClassIdentifier(as.vendorTag)),
		dhcpv4.WithUserClass(userClass, false),
		dhcpv4.WithRequestedOptions(requested(1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119,
			128, 129, 130, 131, 132, 133, 134, 135, 175, 203)...),
		dhcpv4.WithGeneric(optionEncapsulated, encapsulated(as.features)),
		dhcpv4.WithOption(dhcpv4.OptClientIdentifier(append([]byte{byte(iana.HWTypeEthernet)}, mac...))),
		// QEMU's machines without a UUID of their own have zeros.
		dhcpv4.WithGeneric(dhcpv4.OptionClientMachineIdentifier, make([]byte, 17)),
	)
}

// DiscoverOrdinary is a DHCPDISCOVER like that of an operating system's client,
// with the options that ISC's dhclient asks for.
func DiscoverOrdinary(mac net.HardwareAddr) (*dhcpv4.DHCPv4, error) {
	return discover(mac, dhcpv4.WithRequestedOptions(requested(1, 28, 2, 3, 15, 6, 119, 12, 44, 47, 26, 121, 42)...))
}

func discover(mac net.HardwareAddr, modifiers ...dhcpv4.Modifier) (*dhcpv4.DHCPv4, error) {
	d, err := dhcpv4.New(append([]dhcpv4.Modifier{
		dhcpv4.WithHwAddr(mac),
		dhcpv4.WithMessageType(dhcpv4.MessageTypeDiscover),
		dhcpv4.WithBroadcast(true),
	}, modifiers...)...)
	if err != nil {
		return nil, fmt.Errorf("making a DHCPDISCOVER: %w", err)
	}
	return d, nil
}

// requested is the list of options that a client asks for (option 55).
func requested(codes ...uint8) []dhcpv4.OptionCode {
	list := make([]dhcpv4.OptionCode, len(codes))
	for i, code := range codes {
		list[i] = dhcpv4.GenericOptionCode(code)
	}
	return list
}

// encapsulated is the value of option 175: the card, the version of iPXE's
// protocol and its features.
func encapsulated(features []byte) []byte {
	value := []byte{
		0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0x00, // BUS_ID: PCI, virtio network card
		0xeb, 3, 1, 0, 0, // FEATURE_VERSION
	}
	for _, f := range features {
		version := byte(1)
		if f == pxeExt {
			version = 2
		}
		value = append(value, f, 1, version)
	}
	return value
}
