package e2e

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/sys/unix"
)

// Who sends frames: the guest behind the filter and another machine in its network.
const (
	filteredMAC = "fa:16:3e:50:43:cd"
	otherMAC    = "fa:16:3e:00:00:04"

	ownAddress       = "10.1.0.3" // the guest's, from OpenStack
	neighbourAddress = "10.1.0.4" // another's, from OpenStack
	leasedAddress    = "10.77.0.100"
	neighbourLeased  = "10.77.0.101"
	linkLocal        = "fe80::f816:3eff:fe50:43cd"
	otherLinkLocal   = "fe80::f816:3eff:fe00:4"
)

// filterFrame is a frame and its name.
type filterFrame struct {
	name     string
	bytes    []byte
	received []byte
}

func newFrame(name string, frame []byte) filterFrame { return filterFrame{name, frame, frame} }

// framesOfGuest are what the guest sends, framesToGuest what it is sent.
func framesOfGuest(t *testing.T) []filterFrame {
	b := frameBuilder{t: t, mac: filteredMAC}
	foreign := frameBuilder{t: t, mac: "fa:16:3e:66:66:66"}
	return []filterFrame{
		newFrame("DHCPDISCOVER", b.dhcp4("0.0.0.0", "255.255.255.255", 67, filteredMAC)),
		newFrame("DHCPREQUEST for more time, from the address that the tenant's server gave", b.dhcp4(leasedAddress, tenantServer, 67, filteredMAC)),
		newFrame("DHCPOFFER of a tenant's server in this guest, from its own subnet", b.dhcp4(tenantServer, leasedAddress, 68, otherMAC)),
		newFrame("DHCPOFFER of a tenant's server in this guest, from the address that OpenStack gave", b.dhcp4(ownAddress, "255.255.255.255", 68, otherMAC)),
		newFrame("DHCPv6 Solicit", b.udp6(linkLocal, "ff02::1:2", 546, 547)),
		newFrame("DHCPv6 Advertise of a tenant's server in this guest", b.udp6(linkLocal, otherLinkLocal, 547, 546)),
		newFrame("IPv6 router advertisement of a tenant's router in this guest", b.icmp6(linkLocal, "ff02::1", 134)),
		newFrame("ARP from the address that OpenStack gave", b.arp(filteredMAC, ownAddress, novaServer)),
		newFrame("ARP from the address that the tenant's server gave", b.arp(filteredMAC, leasedAddress, tenantServer)),
		newFrame("ARP probe (RFC 5227)", b.arp(filteredMAC, "0.0.0.0", leasedAddress)),
		newFrame("IPv4 from the address that OpenStack gave", b.udp4(ownAddress, novaServer, 1024, 80, nil)),
		newFrame("IPv4 from the address that the tenant's server gave", b.udp4(leasedAddress, tenantServer, 1024, 80, nil)),
		newFrame("RARP of QEMU after a migration", b.ethernet("ff:ff:ff:ff:ff:ff", unix.ETH_P_RARP, arpOf(t, 3, filteredMAC, filteredMAC, "0.0.0.0", "0.0.0.0"))),

		newFrame("another source MAC, DHCPDISCOVER", foreign.dhcp4("0.0.0.0", "255.255.255.255", 67, filteredMAC)),
		newFrame("another source MAC, IPv4", foreign.udp4(ownAddress, novaServer, 1024, 80, nil)),
		newFrame("another source MAC, IPv6", foreign.udp6(linkLocal, otherLinkLocal, 1024, 80)),
		newFrame("ARP with another sender MAC", b.arp(otherMAC, ownAddress, novaServer)),
		newFrame("ARP with another sender MAC, from the address that the tenant's server gave", b.arp(otherMAC, leasedAddress, tenantServer)),
		newFrame("gratuitous ARP for OpenStack's gateway and DHCP server", b.arp(filteredMAC, novaServer, novaServer)),
		newFrame("ARP from another instance's address of OpenStack's", b.arp(filteredMAC, neighbourAddress, novaServer)),
		tagged("the same in VLAN 0, which means none", unix.ETH_P_8021Q, 0, b.arp(filteredMAC, neighbourAddress, "198.51.100.1")),
		tagged("the same with a tag of 802.1ad", unix.ETH_P_8021AD, 0, b.arp(filteredMAC, neighbourAddress, "198.51.100.2")),
		newFrame("IPv4 from another instance's address of OpenStack's", b.udp4(neighbourAddress, novaServer, 1024, 80, nil)),
		newFrame("DHCPOFFER from the address of OpenStack's DHCP server", b.dhcp4(novaServer, "255.255.255.255", 68, otherMAC)),

		newFrame("ARP from an address that the tenant's server gave to another", b.arp(filteredMAC, neighbourLeased, tenantServer)),
		tagged("ARP from another instance's address of OpenStack's, in VLAN 7", unix.ETH_P_8021Q, 7, b.arp(filteredMAC, neighbourAddress, "198.51.100.7")),
		newFrame("DHCPDISCOVER with another's hardware address in it", b.dhcp4("0.0.0.0", "255.255.255.255", 67, otherMAC)),
		newFrame("IPv6 neighbour advertisement for another's address", b.icmp6(otherLinkLocal, "ff02::1", 136)),
	}
}

// lastOfGuest and lastToGuest pass each of the filters: an older QEMU's announcement
// of itself, whose EtherType is a mistake, and an ARP request.
func lastOfGuest(t *testing.T) []byte {
	return frameBuilder{t: t, mac: filteredMAC}.ethernet("ff:ff:ff:ff:ff:ff", 0x0835, []byte("the last one"))
}

func lastToGuest(t *testing.T) []byte {
	return frameBuilder{t: t, mac: otherMAC}.arp(otherMAC, neighbourAddress, ownAddress)
}

func framesToGuest(t *testing.T) []filterFrame {
	b := frameBuilder{t: t, mac: otherMAC}
	return []filterFrame{
		newFrame("DHCPOFFER of the tenant's server", b.dhcp4(tenantServer, "255.255.255.255", 68, filteredMAC)),
		newFrame("DHCPOFFER of OpenStack's server", b.dhcp4(novaServer, "255.255.255.255", 68, filteredMAC)),
		newFrame("DHCPDISCOVER of another instance, for a tenant's server in this guest", b.dhcp4("0.0.0.0", "255.255.255.255", 67, otherMAC)),
		newFrame("DHCPv6 Advertise", b.udp6(otherLinkLocal, linkLocal, 547, 546)),
		newFrame("DHCPv6 Solicit of another instance", b.udp6(otherLinkLocal, "ff02::1:2", 546, 547)),
		newFrame("IPv6 router advertisement", b.icmp6(otherLinkLocal, "ff02::1", 134)),
		newFrame("IPv4 to the address that the tenant's server gave", b.udp4(tenantServer, leasedAddress, 80, 1024, nil)),
		newFrame("ARP for the address that the tenant's server gave", b.arp(otherMAC, tenantServer, leasedAddress)),
	}
}

// frameBuilder makes the frames of one source MAC address.
type frameBuilder struct {
	t   *testing.T
	mac string
}

func (b frameBuilder) ethernet(dst string, etherType uint16, payload []byte) []byte {
	frame := append(mac(b.t, dst), mac(b.t, b.mac)...)
	frame = binary.BigEndian.AppendUint16(frame, etherType)
	return append(frame, payload...)
}

// tagged puts a frame in a VLAN. Who receives it gets the tag beside the frame.
func tagged(name string, etherType uint16, vlan byte, frame []byte) filterFrame {
	tag := append(binary.BigEndian.AppendUint16(bytes.Clone(frame[:12]), etherType), 0, vlan)
	return filterFrame{name, append(tag, frame[12:]...), frame}
}

// arp is a request, as a gratuitous one is where it asks for the sender's address.
func (b frameBuilder) arp(senderMAC, sender, target string) []byte {
	return b.ethernet("ff:ff:ff:ff:ff:ff", unix.ETH_P_ARP, arpOf(b.t, 1, senderMAC, "00:00:00:00:00:00", sender, target))
}

func arpOf(t *testing.T, operation byte, senderMAC, targetMAC, sender, target string) []byte {
	packet := append([]byte{0, 1, 8, 0, 6, 4, 0, operation}, mac(t, senderMAC)...)
	packet = append(packet, address(sender)...)
	packet = append(packet, mac(t, targetMAC)...)
	return append(packet, address(target)...)
}

// dhcp4 is a message to the port of a server or of a client.
func (b frameBuilder) dhcp4(src, dst string, port uint16, client string) []byte {
	message, err := dhcpv4.New(dhcpv4.WithHwAddr(mac(b.t, client)))
	must(b.t, err)
	return b.udp4(src, dst, 67+68-port, port, message.ToBytes())
}

func (b frameBuilder) udp4(src, dst string, from, to uint16, payload []byte) []byte {
	const header = 20
	packet := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0}
	binary.BigEndian.PutUint16(packet[2:], uint16(header+8+len(payload)))
	packet = append(packet, address(src)...)
	packet = append(packet, address(dst)...)
	sum := uint32(0)
	for i := 0; i < header; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(packet[i:]))
	}
	binary.BigEndian.PutUint16(packet[10:], ^uint16(sum>>16+sum)) // a bridge drops what has a wrong one
	return b.ethernet("ff:ff:ff:ff:ff:ff", unix.ETH_P_IP, append(packet, udp(from, to, payload)...))
}

func (b frameBuilder) udp6(src, dst string, from, to uint16) []byte {
	return b.ipv6(src, dst, unix.IPPROTO_UDP, udp(from, to, []byte("payload")))
}

func (b frameBuilder) icmp6(src, dst string, kind byte) []byte {
	return b.ipv6(src, dst, unix.IPPROTO_ICMPV6, append([]byte{kind, 0, 0, 0}, make([]byte, 20)...))
}

func (b frameBuilder) ipv6(src, dst string, next byte, payload []byte) []byte {
	packet := []byte{0x60, 0, 0, 0, 0, byte(len(payload)), next, 255}
	packet = append(packet, address(src)...)
	packet = append(packet, address(dst)...)
	return b.ethernet("33:33:00:00:00:01", unix.ETH_P_IPV6, append(packet, payload...))
}

// udp has no checksum: no filter checks it.
func udp(from, to uint16, payload []byte) []byte {
	segment := binary.BigEndian.AppendUint16(nil, from)
	segment = binary.BigEndian.AppendUint16(segment, to)
	segment = binary.BigEndian.AppendUint16(segment, uint16(8+len(payload)))
	return append(append(segment, 0, 0), payload...)
}

func mac(t *testing.T, text string) []byte {
	parsed, err := net.ParseMAC(text)
	must(t, err)
	return parsed
}

func address(text string) []byte { return netip.MustParseAddr(text).AsSlice() }
