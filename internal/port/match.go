package port

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"
)

// match is one condition of a rule: an option with its values.
type match struct {
	option string
	not    bool
	values []string
}

// answer is whether a frame meets a condition.
type answer int

const (
	no answer = iota
	yes
	// maybe is for an option that this package does not know, or a value that the dump
	// does not say.
	maybe
)

func isTrue(b bool) answer {
	if b {
		return yes
	}
	return no
}

func (a answer) negated(not bool) answer {
	switch {
	case a == maybe || !not:
		return a
	case a == yes:
		return no
	}
	return yes
}

// meets answers whether a frame meets all conditions of a rule. One that it does not
// meet decides, whatever the others are.
func (r rule) meets(p packet, set ruleset) answer {
	all := yes
	for _, m := range r.matches {
		switch m.ask(p, set).negated(m.not) {
		case no:
			return no
		case maybe:
			all = maybe
		}
	}
	return all
}

func (m match) ask(p packet, set ruleset) answer {
	switch {
	case m.option == "--match-set" && len(m.values) == 2:
		return set.member(p, m.values[0], m.values[1])
	case strings.HasPrefix(m.option, "--physdev-is-"):
		return isTrue(m.option != "--physdev-is-in" || p.in != "")
	case len(m.values) != 1:
		return maybe
	case set.bridge:
		return askEbtables(m.option, m.values[0], p)
	}
	return askIptables(m.option, m.values[0], p)
}

// askEbtables knows the options of ebtables(8).
func askEbtables(option, value string, p packet) answer {
	switch option {
	case "-i":
		return isTrue(interfaceMatches(value, p.in))
	case "-o":
		return isTrue(interfaceMatches(value, p.out))
	case "--logical-in", "--logical-out":
		return isTrue(interfaceMatches(value, p.bridge))
	case "-s":
		return hardwareMatches(value, p.source)
	case "-d":
		return hardwareMatches(value, p.destination)
	case "--among-src":
		return amongMatches(value, p.source)
	case "--among-dst":
		return amongMatches(value, p.destination)
	case "-p":
		return etherTypeMatches(value, p.etherType)
	case "--vlan-id":
		return p.tagMatches(value)
	case "--ip-src", "--ip6-src":
		return addressMatches(value, p.from)
	case "--ip-dst", "--ip6-dst":
		return addressMatches(value, p.to)
	case "--ip-proto", "--ip6-proto":
		return protocolMatches(value, p.protocol)
	case "--ip-sport", "--ip6-sport":
		return portMatches(value, p.fromPort)
	case "--ip-dport", "--ip6-dport":
		return portMatches(value, p.toPort)
	}
	return askARP(option, value, p)
}

func askARP(option, value string, p packet) answer {
	if !strings.HasPrefix(option, "--arp-") {
		return maybe
	}
	if p.arp == nil {
		return no
	}
	switch option {
	case "--arp-mac-src":
		return hardwareMatches(value, p.arp.SourceHwAddress)
	case "--arp-mac-dst":
		return hardwareMatches(value, p.arp.DstHwAddress)
	case "--arp-ip-src":
		return addressMatches(value, address(p.arp.SourceProtAddress))
	case "--arp-ip-dst":
		return addressMatches(value, address(p.arp.DstProtAddress))
	case "--arp-op":
		return operationMatches(value, p.arp.Operation)
	}
	return maybe
}

// askIptables knows the options of iptables-extensions(8) that Neutron and libvirt
// write.
func askIptables(option, value string, p packet) answer {
	switch option {
	case "-m", "--comment":
		return yes
	case "-i", "-o":
		return isTrue(interfaceMatches(value, p.bridge))
	case "--physdev-in":
		return isTrue(interfaceMatches(value, p.in))
	case "--physdev-out":
		return isTrue(interfaceMatches(value, p.out))
	case "-s":
		return addressMatches(value, p.from)
	case "-d":
		return addressMatches(value, p.to)
	case "-p":
		return protocolMatches(value, p.protocol)
	case "--sport", "--sports":
		return portMatches(value, p.fromPort)
	case "--dport", "--dports":
		return portMatches(value, p.toPort)
	case "--mac-source":
		return hardwareMatches(value, p.source)
	case "--state", "--ctstate":
		// A frame of a network boot begins a connection.
		return isTrue(slices.Contains(strings.Split(value, ","), "NEW"))
	}
	return maybe
}

// interfaceMatches compares the name of an interface. A "+" at the end stands for the
// rest of a name.
func interfaceMatches(pattern, name string) bool {
	if start, ok := strings.CutSuffix(pattern, "+"); ok {
		return strings.HasPrefix(name, start)
	}
	return pattern == name
}

// hardwareMatches compares a MAC address with one, with one and its mask, or with a
// name of ebtables(8).
func hardwareMatches(value string, mac net.HardwareAddr) answer {
	if mac == nil {
		return no
	}
	switch value {
	case "Broadcast":
		value = "ff:ff:ff:ff:ff:ff"
	case "Unicast":
		value = "00:00:00:00:00:00/01:00:00:00:00:00"
	case "Multicast":
		value = "01:00:00:00:00:00/01:00:00:00:00:00"
	}
	value, maskText, masked := strings.Cut(value, "/")
	want, err := net.ParseMAC(value)
	if err != nil || len(want) != len(mac) {
		return maybe
	}
	mask := net.HardwareAddr{255, 255, 255, 255, 255, 255}
	if masked {
		if mask, err = net.ParseMAC(maskText); err != nil || len(mask) != len(mac) {
			return maybe
		}
	}
	for i := range mac {
		if (mac[i]^want[i])&mask[i] != 0 {
			return no
		}
	}
	return yes
}

// amongMatches compares a MAC address with a list of them. One with an IP address
// beside it asks more than is looked at here.
func amongMatches(list string, mac net.HardwareAddr) answer {
	all := no
	for item := range strings.SplitSeq(strings.TrimSuffix(list, ","), ",") {
		item, _, withIP := strings.Cut(item, "=")
		switch hardwareMatches(item, mac) {
		case yes:
			if !withIP {
				return yes
			}
			all = maybe
		case maybe:
			all = maybe
		}
	}
	return all
}

// addressMatches compares an IP address with one, with a prefix, or with an address
// and a mask.
func addressMatches(value string, a netip.Addr) answer {
	if !a.IsValid() {
		return no
	}
	text, mask, masked := strings.Cut(value, "/")
	want, err := netip.ParseAddr(text)
	if err != nil {
		return maybe
	}
	if !masked {
		return isTrue(want == a)
	}
	bits, err := strconv.Atoi(mask)
	if err != nil {
		m := net.ParseIP(mask).To4()
		if m == nil {
			return maybe
		}
		ones, size := net.IPMask(m).Size()
		if size == 0 {
			return maybe
		}
		bits = ones
	}
	prefix, err := want.Prefix(bits)
	if err != nil {
		return maybe
	}
	return isTrue(prefix.Contains(a))
}

// portMatches compares a port with one, a range, or a list of both.
func portMatches(value string, port uint16) answer {
	for item := range strings.SplitSeq(value, ",") {
		low, high, ranged := strings.Cut(item, ":")
		if !ranged {
			high = low
		}
		first, err := strconv.ParseUint(low, 10, 16)
		last, err2 := strconv.ParseUint(high, 10, 16)
		if err != nil || err2 != nil {
			return maybe
		}
		if uint64(port) >= first && uint64(port) <= last {
			return yes
		}
	}
	return no
}

// protocolMatches compares a protocol with a name of /etc/protocols or its number.
func protocolMatches(value string, protocol layers.IPProtocol) answer {
	names := map[string]layers.IPProtocol{
		"all": protocol, "udp": layers.IPProtocolUDP, "tcp": layers.IPProtocolTCP, "icmp": layers.IPProtocolICMPv4,
		"ipv6-icmp": layers.IPProtocolICMPv6, "sctp": layers.IPProtocolSCTP, "udplite": layers.IPProtocolUDPLite,
	}
	if want, ok := names[value]; ok {
		return isTrue(want == protocol)
	}
	return numberMatches(value, uint16(protocol))
}

// etherTypeMatches compares an EtherType with a name of ebtables' /etc/ethertypes or
// its number.
func etherTypeMatches(value string, etherType uint16) answer {
	names := map[string]uint16{
		"IPv4": unix.ETH_P_IP, "IPv6": unix.ETH_P_IPV6, "ARP": unix.ETH_P_ARP, "RARP": unix.ETH_P_RARP,
		"802_1Q": unix.ETH_P_8021Q, "S-TAG": unix.ETH_P_8021AD, "802_1ad": unix.ETH_P_8021AD,
	}
	if want, ok := names[value]; ok {
		return isTrue(want == etherType)
	}
	return numberMatches(value, etherType)
}

// operationMatches compares an ARP operation with a name of ebtables(8) or its number.
func operationMatches(value string, operation uint16) answer {
	names := map[string]uint16{"Request": 1, "Reply": 2, "Request_Reverse": 3, "Reply_Reverse": 4}
	if want, ok := names[value]; ok {
		return isTrue(want == operation)
	}
	return numberMatches(value, operation)
}

func numberMatches(value string, n uint16) answer {
	want, err := strconv.ParseUint(value, 0, 16)
	if err != nil {
		return maybe
	}
	return isTrue(want == uint64(n))
}
