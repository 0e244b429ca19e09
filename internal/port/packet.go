package port

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"
)

// packet is a frame on its way from one port of a bridge to another, with what a rule
// can ask of it. A part that the frame lacks is zero.
type packet struct {
	in, out, bridge string

	source, destination net.HardwareAddr
	etherType           uint16
	vlan                *layers.Dot1Q // a frame with a tag has no part of those below
	arp                 *layers.ARP
	from, to            netip.Addr
	protocol            layers.IPProtocol
	fromPort, toPort    uint16
}

// decode reads an Ethernet frame.
func decode(frame []byte) (packet, error) {
	decoded := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	var p packet
	for _, layer := range decoded.Layers() {
		switch l := layer.(type) {
		case *layers.Ethernet:
			p.source, p.destination, p.etherType = l.SrcMAC, l.DstMAC, uint16(l.EthernetType)
			p.arp = reverse(l)
		case *layers.Dot1Q:
			p.vlan = l
			return p, nil // rules see no deeper
		case *layers.ARP:
			p.arp = l
		case *layers.IPv4:
			p.from, p.to, p.protocol = address(l.SrcIP), address(l.DstIP), l.Protocol
		case *layers.IPv6:
			p.from, p.to, p.protocol = address(l.SrcIP), address(l.DstIP), l.NextHeader
		case *layers.UDP:
			p.fromPort, p.toPort = uint16(l.SrcPort), uint16(l.DstPort)
		case *layers.TCP:
			p.fromPort, p.toPort = uint16(l.SrcPort), uint16(l.DstPort)
		}
	}
	if p.source == nil {
		return packet{}, fmt.Errorf("a frame of %d bytes is not an Ethernet frame", len(frame))
	}
	return p, nil
}

// reverse reads a RARP frame (RFC 903), which has ARP's fields.
func reverse(l *layers.Ethernet) *layers.ARP {
	var arp layers.ARP
	if l.EthernetType != unix.ETH_P_RARP || arp.DecodeFromBytes(l.Payload, gopacket.NilDecodeFeedback) != nil {
		return nil
	}
	return &arp
}

func (p packet) tagMatches(value string) answer {
	if p.vlan == nil {
		return no
	}
	return numberMatches(value, p.vlan.VLANIdentifier)
}

func address(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
