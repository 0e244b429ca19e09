package timeline

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/virt-netboot/virt-netboot/internal/capture"
)

var (
	guest, server, other = mac("fa:16:3e:00:00:01"), mac("fa:16:3e:00:00:77"), mac("fa:16:3e:00:00:99")

	guestIP, serverIP = netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.1")
)

// TestEvents tells messages that the captures lack.
func TestEvents(t *testing.T) {
	request := []byte("GET /boot.ipxe HTTP/1.1\r\nHost: boot\r\n\r\n")
	for _, tc := range []struct {
		name   string
		frames [][]byte
		want   []string
	}{
		{
			"an operating system asks", [][]byte{dhcp(t, guest, dhcpv4.MessageTypeDiscover)},
			[]string{"DHCPDISCOVER from fa:16:3e:00:00:01, no user class"},
		},
		{
			"a proxyDHCP server completes an offer", [][]byte{
				dhcp(t, guest, dhcpv4.MessageTypeDiscover, dhcpv4.WithUserClass("iPXE", true), dhcpv4.WithOption(dhcpv4.OptClientArch(iana.EFI_X86_64))),
				reply(t, dhcpv4.MessageTypeOffer, dhcpv4.WithYourIP(guestIP.AsSlice())),
				reply(t, dhcpv4.MessageTypeOffer, dhcpv4.WithServerIP(net.IP{10, 0, 0, 9}), dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IP{10, 0, 0, 9})),
					dhcpv4.WithOption(dhcpv4.OptBootFileName("boot.ipxe"))),
			},
			[]string{
				"DHCPDISCOVER from fa:16:3e:00:00:01, user class iPXE, EFI x86-64",
				"DHCPOFFER from 10.0.0.1: 10.0.0.5, no boot file",
				"DHCPOFFER from 10.0.0.9: no address, boot tftp://10.0.0.9/boot.ipxe",
			},
		},
		{
			"another instance asks and gets", [][]byte{
				dhcp(t, other, dhcpv4.MessageTypeDiscover),
				reply(t, dhcpv4.MessageTypeOffer, dhcpv4.WithHwAddr(other)),
				arp(t, other, layers.ARPRequest, netip.MustParseAddr("10.0.0.7"), serverIP),
				udp(t, other, server, "10.0.0.7:999", "10.0.0.1:69", []byte("\x00\x01secret\x00octet\x00")),
				tcp(t, other, server, "10.0.0.7:999", "10.0.0.1:80", layers.TCP{PSH: true, ACK: true}, request),
			},
			nil,
		},
		{
			"another instance asks this one, which has servers", [][]byte{
				tcp(t, other, guest, "10.0.0.7:999", "10.0.0.5:80", layers.TCP{SYN: true}, nil),
				tcp(t, other, guest, "10.0.0.7:999", "10.0.0.5:80", layers.TCP{ACK: true, Seq: 1}, request),
				tcp(t, guest, other, "10.0.0.5:80", "10.0.0.7:999", layers.TCP{ACK: true}, []byte("HTTP/1.1 200 OK\r\n\r\n")),
				udp(t, other, guest, "10.0.0.7:999", "10.0.0.5:69", []byte("\x00\x01file\x00octet\x00")),
				udp(t, guest, other, "10.0.0.5:1000", "10.0.0.7:999", []byte("\x00\x05\x00\x01no\x00")),
			},
			nil,
		},
		{
			"a connection is refused, and asked for again", [][]byte{
				tcp(t, guest, server, "10.0.0.5:999", "10.0.0.1:8080", layers.TCP{SYN: true, Seq: 7}, nil),
				tcp(t, guest, server, "10.0.0.5:999", "10.0.0.1:8080", layers.TCP{SYN: true, Seq: 7}, nil),
				tcp(t, server, guest, "10.0.0.1:8080", "10.0.0.5:999", layers.TCP{RST: true, ACK: true, Ack: 8}, nil),
			},
			[]string{"TCP connect to 10.0.0.1:8080", "TCP connect to 10.0.0.1:8080, again (2nd time)", "10.0.0.1:8080 refuses the connection"},
		},
		{
			"HTTP on another port, opened before the trace, with a body that looks like a response", [][]byte{
				tcp(t, guest, server, "10.0.0.5:999", "10.0.0.1:8080", layers.TCP{ACK: true, Seq: 7}, request),
				tcp(t, guest, server, "10.0.0.5:999", "10.0.0.1:8080", layers.TCP{ACK: true, Seq: 7}, request),
				tcp(t, server, guest, "10.0.0.1:8080", "10.0.0.5:999", layers.TCP{ACK: true, Seq: 1}, []byte("HTTP/1.1 100 Continue\r\n\r\n")),
				tcp(t, server, guest, "10.0.0.1:8080", "10.0.0.5:999", layers.TCP{ACK: true, Seq: 30}, []byte("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")),
				tcp(t, server, guest, "10.0.0.1:8080", "10.0.0.5:999", layers.TCP{ACK: true, Seq: 80}, []byte("HTTP/1.1 404 Not Found\r\n\r\n")),
			},
			[]string{
				"GET /boot.ipxe from 10.0.0.1:8080", "GET /boot.ipxe from 10.0.0.1:8080, again (2nd time)",
				"HTTP 200 OK from 10.0.0.1:8080 to GET /boot.ipxe, 99 bytes",
			},
		},
		{
			"TLS", [][]byte{
				tcp(t, guest, server, "10.0.0.5:999", "10.0.0.1:443", layers.TCP{SYN: true}, nil),
				tcp(t, guest, server, "10.0.0.5:999", "10.0.0.1:443", layers.TCP{ACK: true, Seq: 1}, []byte{0x16, 3, 1, 0, 9}),
			},
			[]string{"TCP connect to 10.0.0.1:443", "TLS to 10.0.0.1:443: what it asks for cannot be read"},
		},
		{
			"no TFTP server is there", [][]byte{
				udp(t, guest, server, "10.0.0.5:999", "10.0.0.1:69", []byte("\x00\x01file\x00octet\x00")),
				udp(t, guest, server, "10.0.0.5:999", "10.0.0.1:69", []byte("\x00\x01file\x00octet\x00")),
				portUnreachable(t),
			},
			[]string{"TFTP request to 10.0.0.1: file", "TFTP request to 10.0.0.1: file, again (2nd time)", "ICMP from 10.0.0.1: 10.0.0.1:69 is unreachable"},
		},
		{
			"TFTP's last block, sent twice", [][]byte{
				udp(t, guest, server, "10.0.0.5:999", "10.0.0.1:69", []byte("\x00\x01file\x00octet\x00")),
				udp(t, server, guest, "10.0.0.1:1000", "10.0.0.5:999", append([]byte("\x00\x03\x00\x01"), make([]byte, 512)...)),
				udp(t, server, guest, "10.0.0.1:1000", "10.0.0.5:999", []byte("\x00\x03\x00\x02end")),
				udp(t, server, guest, "10.0.0.1:1000", "10.0.0.5:999", []byte("\x00\x03\x00\x02end")),
			},
			[]string{"TFTP request to 10.0.0.1: file", "TFTP from 10.0.0.1: file: 515 bytes"},
		},
		{
			"names", [][]byte{
				udp(t, guest, server, "10.0.0.5:999", "10.0.0.1:53", query(t, false, layers.DNSResponseCodeNoErr)),
				udp(t, server, guest, "10.0.0.1:53", "10.0.0.5:999", query(t, true, layers.DNSResponseCodeNXDomain)),
			},
			[]string{"DNS query to 10.0.0.1: A boot.example", "DNS answer from 10.0.0.1: boot.example is Non-Existent Domain"},
		},
		{
			"DHCPv6", [][]byte{
				solicit(t),
				udp(t, server, guest, "[fe80::1]:547", "[fe80::5]:546", advertise(t)),
			},
			[]string{
				"DHCPv6 SOLICIT from fa:16:3e:00:00:01, no user class, EFI x86-64",
				"DHCPv6 ADVERTISE from fe80::1: boot http://[fd00::1]/boot.efi",
			},
		},
		{"frames that are none", [][]byte{nil, {1, 2, 3}, make([]byte, 14), make([]byte, 60)}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			at := time.Unix(1_000_000, 0)
			l := New(at, NIC{"tap0", guest})
			var got []string
			for _, frame := range tc.frames {
				if e, _ := l.Add(capture.Frame{Device: "tap0", At: at, Data: frame, Length: len(frame)}); e != nil {
					got = append(got, e.Text)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestOwn: what others broadcast is neither told nor kept.
func TestOwn(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	l := New(at, NIC{"tap0", guest}, NIC{"tap1", other})
	for _, tc := range []struct {
		name, device string
		frame        []byte
		own          bool
	}{
		{"its request", "tap0", dhcp(t, guest, dhcpv4.MessageTypeDiscover), true},
		{"the same, at another interface of it", "tap1", dhcp(t, guest, dhcpv4.MessageTypeDiscover), false},
		{"ARP for an address that it has not", "tap0", arp(t, server, layers.ARPRequest, serverIP, guestIP), false},
		{"its offer", "tap0", reply(t, dhcpv4.MessageTypeOffer, dhcpv4.WithYourIP(guestIP.AsSlice())), true},
		{"ARP for its address", "tap0", arp(t, server, layers.ARPRequest, serverIP, guestIP), true},
		{"another's offer", "tap0", reply(t, dhcpv4.MessageTypeOffer, dhcpv4.WithHwAddr(server)), false},
	} {
		if _, own := l.Add(capture.Frame{Device: tc.device, At: at, Data: tc.frame}); own != tc.own {
			t.Errorf("%s: own is %v", tc.name, own)
		}
	}
}

// TestBounded: a guest that sends ever new messages fills no memory.
func TestBounded(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	l := New(at, NIC{"tap0", guest})
	for i := range 3 * tracked {
		client := netip.AddrPortFrom(guestIP, uint16(i%60000+1)).String()
		f := tcp(t, guest, server, client, "10.0.0.1:80", layers.TCP{SYN: true, Seq: uint32(i)}, nil)
		l.Add(capture.Frame{Device: "tap0", At: at, Data: f})
	}
	if w := l.wires[0]; len(w.streams) > tracked || len(w.sent) > tracked {
		t.Errorf("%d streams and %d messages are remembered", len(w.streams), len(w.sent))
	}
}

// TestOver is when a boot is over.
func TestOver(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	ipxe := dhcpv4.WithUserClass("iPXE", false)
	gives := dhcpv4.WithYourIP(guestIP.AsSlice())
	asks := dhcp(t, guest, dhcpv4.MessageTypeDiscover, ipxe)
	for _, tc := range []struct {
		name   string
		frames [][]byte
		quiet  time.Duration // 0: never
	}{
		{"nothing has passed", nil, 0},
		{"no answer", [][]byte{asks}, quietAfterQuestion},
		{"an address, no boot file", [][]byte{asks, reply(t, dhcpv4.MessageTypeAck, gives)}, quietAfterAnswer},
		{"a boot file that it has not asked for yet", [][]byte{asks, reply(t, dhcpv4.MessageTypeAck, gives, dhcpv4.WithOption(dhcpv4.OptBootFileName("x")))}, quietAfterQuestion},
		{"an operating system", [][]byte{asks, dhcp(t, guest, dhcpv4.MessageTypeDiscover)}, quietAfterOrdinary},
	} {
		l := New(at, NIC{"tap0", guest})
		for _, f := range tc.frames {
			l.Add(capture.Frame{Device: "tap0", At: at, Data: f})
		}
		if tc.quiet == 0 {
			if l.Over(at.Add(time.Hour)) {
				t.Errorf("%s: it is over", tc.name)
			}
			continue
		}
		if l.Over(at.Add(tc.quiet-time.Millisecond)) || !l.Over(at.Add(tc.quiet)) {
			t.Errorf("%s: it is not over after %s", tc.name, tc.quiet)
		}
	}
}

// TestVerdict is what became of boots that the captures lack.
func TestVerdict(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	gives := dhcpv4.WithYourIP(guestIP.AsSlice())
	boots := dhcpv4.WithOption(dhcpv4.OptBootFileName("http://10.0.0.1/boot.ipxe"))
	asks := dhcp(t, guest, dhcpv4.MessageTypeDiscover, dhcpv4.WithUserClass("iPXE", false))
	wants := dhcp(t, guest, dhcpv4.MessageTypeRequest, dhcpv4.WithUserClass("iPXE", false),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(serverIP.AsSlice())), dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(guestIP.AsSlice())))
	for _, tc := range []struct {
		name   string
		frames [][]byte
		end    End
		want   string
	}{
		{"nothing", nil, Timeout, "no-request: the guest asked for nothing; the trace had no more time"},
		{"only an operating system", [][]byte{dhcp(t, guest, dhcpv4.MessageTypeDiscover)}, Quiet,
			"no-request: an operating system asked for an address, and nothing asked for a network boot before"},
		{"offers without a boot file", [][]byte{asks, asks, asks, asks, reply(t, dhcpv4.MessageTypeOffer, gives)}, Quiet,
			"not-taken: iPXE asked 4 times, 10.0.0.1 offered no boot file, it took none of that; then it gave up"},
		{"no ACK", [][]byte{asks, reply(t, dhcpv4.MessageTypeOffer, gives, boots), wants}, Stopped,
			"no-ack: iPXE asked once, it asked 10.0.0.1 for 10.0.0.5 and got no answer; the guest was stopped"},
		{"no file asked for, and the disk", [][]byte{asks, reply(t, dhcpv4.MessageTypeAck, gives, boots), dhcp(t, guest, dhcpv4.MessageTypeDiscover)}, Quiet,
			"not-fetched: iPXE asked once, 10.0.0.1 gave it 10.0.0.5 and the boot file http://10.0.0.1/boot.ipxe, it did not ask for it; then an operating system asked for an address"},
		{"an address that an operating system had before", [][]byte{asks, dhcp(t, guest, dhcpv4.MessageTypeRequest)}, Quiet,
			"no-answer: iPXE asked once, no server answered; then an operating system asked for an address"},
		{"a disk in the network", [][]byte{
			asks, reply(t, dhcpv4.MessageTypeAck, gives, dhcpv4.WithOption(dhcpv4.OptRootPath("iscsi:10.0.0.1::::iqn"))),
			tcp(t, guest, server, "10.0.0.5:999", "10.0.0.1:3260", layers.TCP{SYN: true}, nil),
			tcp(t, server, guest, "10.0.0.1:3260", "10.0.0.5:999", layers.TCP{SYN: true, ACK: true}, nil),
		}, Quiet, "fetched: iPXE asked once, 10.0.0.1 gave it 10.0.0.5 and a disk or a menu in the network, 10.0.0.1:3260 accepts the connection"},
		{"no ARP", [][]byte{asks, reply(t, dhcpv4.MessageTypeAck, gives, boots), arp(t, guest, layers.ARPRequest, guestIP, serverIP)}, Interrupted,
			"not-fetched: iPXE asked once, 10.0.0.1 gave it 10.0.0.5 and the boot file http://10.0.0.1/boot.ipxe, no answer to: ARP: who has 10.0.0.1; the trace was interrupted"},
	} {
		l := New(at, NIC{"tap0", guest})
		for _, f := range tc.frames {
			l.Add(capture.Frame{Device: "tap0", At: at, Data: f})
		}
		v := l.Verdict(tc.end, 0)
		if diff := cmp.Diff(tc.want, string(v.Outcome)+": "+v.Text); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tc.name, diff)
		}
	}
	if v := New(at, NIC{"tap0", guest}).Verdict(Quiet, 3); v.Lost != 3 {
		t.Errorf("lost frames are not told: %+v", v)
	}
}

// dhcp is a message of a client.
func dhcp(t *testing.T, client net.HardwareAddr, kind dhcpv4.MessageType, options ...dhcpv4.Modifier) []byte {
	t.Helper()
	m, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithHwAddr(client), dhcpv4.WithMessageType(kind), dhcpv4.WithTransactionID(dhcpv4.TransactionID{1})}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return udp(t, client, layers.EthernetBroadcast, "0.0.0.0:68", "255.255.255.255:67", m.ToBytes())
}

// reply is the server's message to the guest.
func reply(t *testing.T, kind dhcpv4.MessageType, options ...dhcpv4.Modifier) []byte {
	t.Helper()
	m, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithHwAddr(guest), dhcpv4.WithMessageType(kind)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	m.OpCode = dhcpv4.OpcodeBootReply
	return udp(t, server, layers.EthernetBroadcast, "10.0.0.1:67", "255.255.255.255:68", m.ToBytes())
}

func solicit(t *testing.T) []byte {
	t.Helper()
	m, err := dhcpv6.NewMessage(dhcpv6.WithOption(dhcpv6.OptClientArchType(iana.EFI_X86_64)))
	if err != nil {
		t.Fatal(err)
	}
	m.MessageType = dhcpv6.MessageTypeSolicit
	return udp(t, guest, mac("33:33:00:01:00:02"), "[fe80::5]:546", "[ff02::1:2]:547", m.ToBytes())
}

func advertise(t *testing.T) []byte {
	t.Helper()
	m, err := dhcpv6.NewMessage(dhcpv6.WithOption(dhcpv6.OptBootFileURL("http://[fd00::1]/boot.efi")))
	if err != nil {
		t.Fatal(err)
	}
	m.MessageType = dhcpv6.MessageTypeAdvertise
	return m.ToBytes()
}

func query(t *testing.T, answer bool, code layers.DNSResponseCode) []byte {
	return serialize(t, &layers.DNS{ID: 1, QR: answer, ResponseCode: code, Questions: []layers.DNSQuestion{{Name: []byte("boot.example"), Type: layers.DNSTypeA, Class: layers.DNSClassIN}}})
}

func arp(t *testing.T, from net.HardwareAddr, operation uint16, sender, target netip.Addr) []byte {
	return serialize(t,
		&layers.Ethernet{SrcMAC: from, DstMAC: layers.EthernetBroadcast, EthernetType: layers.EthernetTypeARP},
		&layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: operation,
			SourceHwAddress: from, SourceProtAddress: sender.AsSlice(), DstHwAddress: make([]byte, 6), DstProtAddress: target.AsSlice()})
}

// portUnreachable answers the guest's request to port 69.
func portUnreachable(t *testing.T) []byte {
	about := udp(t, guest, server, "10.0.0.5:999", "10.0.0.1:69", nil)[14:]
	return serialize(t,
		&layers.Ethernet{SrcMAC: server, DstMAC: guest, EthernetType: layers.EthernetTypeIPv4},
		ip(serverIP, guestIP, layers.IPProtocolICMPv4).(gopacket.SerializableLayer),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4CodePort)},
		gopacket.Payload(about))
}

func udp(t *testing.T, from, to net.HardwareAddr, source, destination string, payload []byte) []byte {
	src, dst := netip.MustParseAddrPort(source), netip.MustParseAddrPort(destination)
	u := &layers.UDP{SrcPort: layers.UDPPort(src.Port()), DstPort: layers.UDPPort(dst.Port())}
	return transport(t, from, to, src.Addr(), dst.Addr(), layers.IPProtocolUDP, u, u, payload)
}

func tcp(t *testing.T, from, to net.HardwareAddr, source, destination string, segment layers.TCP, payload []byte) []byte {
	src, dst := netip.MustParseAddrPort(source), netip.MustParseAddrPort(destination)
	segment.SrcPort, segment.DstPort = layers.TCPPort(src.Port()), layers.TCPPort(dst.Port())
	return transport(t, from, to, src.Addr(), dst.Addr(), layers.IPProtocolTCP, &segment, &segment, payload)
}

func transport(t *testing.T, from, to net.HardwareAddr, src, dst netip.Addr, protocol layers.IPProtocol, checksum interface {
	SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
}, layer gopacket.SerializableLayer, payload []byte) []byte {
	t.Helper()
	network := ip(src, dst, protocol)
	if err := checksum.SetNetworkLayerForChecksum(network); err != nil {
		t.Fatal(err)
	}
	kind := layers.EthernetTypeIPv4
	if src.Is6() {
		kind = layers.EthernetTypeIPv6
	}
	return serialize(t, &layers.Ethernet{SrcMAC: from, DstMAC: to, EthernetType: kind}, network.(gopacket.SerializableLayer), layer, gopacket.Payload(payload))
}

func ip(src, dst netip.Addr, protocol layers.IPProtocol) gopacket.NetworkLayer {
	if src.Is6() {
		return &layers.IPv6{Version: 6, NextHeader: protocol, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	}
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: protocol, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
}

func serialize(t *testing.T, all ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
