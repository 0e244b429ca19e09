package port

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Boot is what a network boot's frames have in them.
type Boot struct {
	MAC net.HardwareAddr // of the instance's interface
	// Server is the DHCP server's IPv4 address, and Lease the one that it offers. Server
	// answers from ServerMAC.
	Server, Lease netip.Addr
	ServerMAC     net.HardwareAddr
}

// AnyBoot is a boot from a server in a subnet that OpenStack does not know: one for
// documentation (RFC 5737).
func AnyBoot() Boot { return BootFrom(netip.MustParsePrefix("192.0.2.1/24")) }

// BootFrom is a boot from a server, with the bits of its subnet, that leases an address
// beside its own. The MAC address of the instance is left out.
func BootFrom(server netip.Prefix) Boot {
	lease := server.Addr().Next()
	if !server.Contains(lease.Next()) {
		lease = server.Addr().Prev() // the next one is for broadcasts
	}
	return Boot{Server: server.Addr(), Lease: lease, ServerMAC: net.HardwareAddr{0x02, 0, 0, 0, 0, 0x02}}
}

// Direction is the way of a frame, as the instance sees it.
type Direction string

const (
	Out Direction = "out"
	In  Direction = "in"
)

// Frame is one that a network boot needs.
type Frame struct {
	// Name says what it is, in words: "DHCPDISCOVER".
	Name      string
	Direction Direction
	Bytes     []byte // from the Ethernet header, without the checksum
}

// discover is the name of the request that a DHCP server answers.
const discover = "DHCPDISCOVER"

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Frames are the frames of an instance that boots, in their order. iPXE asks for
// answers without broadcast (RFC 2131, section 4.1).
func (b Boot) Frames() ([]Frame, error) {
	// A request for a boot file by TFTP (RFC 1350, section 5).
	readRequest := gopacket.Payload("\x00\x01undionly.kpxe\x00octet\x00")
	any4, all4 := netip.IPv4Unspecified(), netip.AddrFrom4([4]byte{255, 255, 255, 255})
	frames := []struct {
		name      string
		direction Direction
		layers    []gopacket.SerializableLayer
	}{
		{discover, Out, udp(b.MAC, broadcast, any4, all4, 68, 67, b.dhcp(layers.DHCPMsgTypeDiscover))},
		{"DHCPOFFER from " + b.Server.String(), In, udp(b.ServerMAC, b.MAC, b.Server, b.Lease, 67, 68, b.dhcp(layers.DHCPMsgTypeOffer))},
		{"ARP from " + b.Lease.String(), Out, b.arp()},
		{"IPv4 from " + b.Lease.String(), Out, udp(b.MAC, b.ServerMAC, b.Lease, b.Server, 1024, 69, readRequest)},
	}
	var all []Frame
	for _, f := range frames {
		bytes, err := serialize(f.layers)
		if err != nil {
			return nil, fmt.Errorf("making the frame %s: %w", f.name, err)
		}
		all = append(all, Frame{f.name, f.direction, bytes})
	}
	return all, nil
}

// Offer is the frame of an instance that is a DHCP server at Server, to a client that
// has no address yet.
func (b Boot) Offer() (Frame, error) {
	client := net.HardwareAddr{0x02, 0, 0, 0, 0, 0x01}
	asServer := Boot{MAC: client, Server: b.Server, Lease: b.Lease, ServerMAC: b.MAC}
	bytes, err := serialize(udp(b.MAC, client, b.Server, b.Lease, 67, 68, asServer.dhcp(layers.DHCPMsgTypeOffer)))
	return Frame{"DHCPOFFER from " + b.Server.String() + " in this instance", Out, bytes}, err
}

func (b Boot) dhcp(kind layers.DHCPMsgType) *layers.DHCPv4 {
	d := &layers.DHCPv4{
		Operation: layers.DHCPOpRequest, HardwareType: layers.LinkTypeEthernet, HardwareLen: 6, ClientHWAddr: b.MAC,
		Options: layers.DHCPOptions{layers.NewDHCPOption(layers.DHCPOptMessageType, []byte{byte(kind)})},
	}
	if kind == layers.DHCPMsgTypeOffer {
		d.Operation, d.YourClientIP = layers.DHCPOpReply, b.Lease.AsSlice()
	}
	return d
}

func (b Boot) arp() []gopacket.SerializableLayer {
	return []gopacket.SerializableLayer{
		&layers.Ethernet{SrcMAC: b.MAC, DstMAC: broadcast, EthernetType: layers.EthernetTypeARP},
		&layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: layers.ARPRequest,
			SourceHwAddress: b.MAC, SourceProtAddress: b.Lease.AsSlice(), DstHwAddress: make([]byte, 6), DstProtAddress: b.Server.AsSlice(),
		},
	}
}

func udp(source, destination net.HardwareAddr, from, to netip.Addr, fromPort, toPort layers.UDPPort, payload gopacket.SerializableLayer) []gopacket.SerializableLayer {
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
	u := &layers.UDP{SrcPort: fromPort, DstPort: toPort}
	// The checksum covers a part of the IP header. It fails only without one.
	_ = u.SetNetworkLayerForChecksum(ip)
	return []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: source, DstMAC: destination, EthernetType: layers.EthernetTypeIPv4}, ip, u, payload}
}

func serialize(all []gopacket.SerializableLayer) ([]byte, error) {
	buffer := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...)
	return buffer.Bytes(), err
}
