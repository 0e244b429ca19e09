package timeline

import (
	"net"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/virt-netboot/virt-netboot/internal/capture"
)

// packet is a frame with its parts. One that it lacks is zero.
type packet struct {
	source, destination string // MAC addresses
	from, to            netip.AddrPort
	arp                 *layers.ARP
	dhcp                *dhcpv4.DHCPv4
	udp                 *layers.UDP
	tcp                 *layers.TCP
	icmp                *layers.ICMPv4
	icmp6               *layers.ICMPv6
}

func decode(f capture.Frame) packet {
	var p packet
	for _, layer := range gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.NoCopy).Layers() {
		switch l := layer.(type) {
		case *layers.Ethernet:
			p.source, p.destination = l.SrcMAC.String(), l.DstMAC.String()
		case *layers.ARP:
			p.arp = l
		case *layers.IPv4:
			p.from, p.to = addresses(l.SrcIP, l.DstIP)
		case *layers.IPv6:
			p.from, p.to = addresses(l.SrcIP, l.DstIP)
		case *layers.ICMPv4:
			p.icmp = l
		case *layers.ICMPv6:
			p.icmp6 = l
		case *layers.UDP:
			p.udp = l
			p.from, p.to = ports(p, uint16(l.SrcPort), uint16(l.DstPort))
		case *layers.TCP:
			p.tcp = l
			p.from, p.to = ports(p, uint16(l.SrcPort), uint16(l.DstPort))
		}
	}
	if p.udp != nil && p.uses(dhcpv4.ServerPort, dhcpv4.ClientPort) {
		p.dhcp, _ = dhcpv4.FromBytes(p.udp.Payload) // nil where it is none
	}
	return p
}

// uses reports whether one of the ports is.
func (p packet) uses(ports ...uint16) bool {
	for _, port := range ports {
		if p.from.Port() == port || p.to.Port() == port {
			return true
		}
	}
	return false
}

func addresses(from, to net.IP) (netip.AddrPort, netip.AddrPort) {
	return netip.AddrPortFrom(address(from), 0), netip.AddrPortFrom(address(to), 0)
}

func ports(p packet, from, to uint16) (netip.AddrPort, netip.AddrPort) {
	return netip.AddrPortFrom(p.from.Addr(), from), netip.AddrPortFrom(p.to.Addr(), to)
}

// address is not valid where there is none.
func address(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
