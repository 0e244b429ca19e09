package timeline

import (
	"fmt"
	"net/netip"
	"time"
)

// Kind is what an event is. A DHCP message's is its type: dhcp-discover,
// dhcpv6-solicit, …
type Kind string

const (
	Discover Kind = "dhcp-discover"
	Offer    Kind = "dhcp-offer"
	Request  Kind = "dhcp-request"
	ACK      Kind = "dhcp-ack"
	NAK      Kind = "dhcp-nak"

	Solicit    Kind = "dhcpv6-solicit"
	Advertise  Kind = "dhcpv6-advertise"
	RequestV6  Kind = "dhcpv6-request"
	ReplyV6    Kind = "dhcpv6-reply"
	RouterAsk  Kind = "router-solicitation"
	RouterSays Kind = "router-advertisement"

	ARPRequest Kind = "arp-request"
	ARPReply   Kind = "arp-reply"
	DNSQuery   Kind = "dns-query"
	DNSAnswer  Kind = "dns-answer"

	TFTPRequest Kind = "tftp-request"
	TFTPSent    Kind = "tftp-sent"   // the whole file
	TFTPError   Kind = "tftp-error"  // the server's
	TFTPCancel  Kind = "tftp-cancel" // the client's: firmware that only asks for the size

	Connect      Kind = "tcp-connect"
	Accepted     Kind = "tcp-accepted"
	Refused      Kind = "tcp-refused"
	HTTPRequest  Kind = "http-request"
	HTTPResponse Kind = "http-response"
	TLS          Kind = "tls"
	Unreachable  Kind = "unreachable" // ICMP
)

// Client is who sends a DHCP request.
type Client string

const (
	IPXE     Client = "ipxe"
	Firmware Client = "firmware" // PXE or HTTP boot of BIOS or UEFI
	Ordinary Client = "ordinary" // an operating system
)

// Event is one thing that happened in a boot.
type Event struct {
	Time    time.Time `json:"time"`
	Seconds float64   `json:"seconds"` // since the trace began
	// Device is the interface on the node, and MAC the instance's.
	Device string `json:"interface"`
	MAC    string `json:"mac"`
	Kind   Kind   `json:"event"`
	// Again is 2 where the same message is sent the second time, and so on.
	Again int `json:"again,omitempty"`

	// Of a DHCP request.
	Client       Client `json:"client,omitempty"`
	UserClass    string `json:"user_class,omitempty"`
	VendorClass  string `json:"vendor_class,omitempty"`
	Architecture string `json:"architecture,omitempty"` // option 93 in words

	// Server is who answers, or is asked.
	Server netip.Addr `json:"server,omitzero"`
	Port   uint16     `json:"port,omitempty"` // of TCP
	// Address is the one that is offered, asked for or looked up.
	Address    netip.Addr `json:"address,omitzero"`
	BootFile   string     `json:"boot_file,omitempty"`
	NextServer netip.Addr `json:"next_server,omitzero"`
	// File is that of a TFTP request, the target of an HTTP request, a name in the DNS.
	File string `json:"file,omitempty"`
	// Status is the result: HTTP's 404 File not found, TFTP's error, a NAK's message.
	Status string `json:"status,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	// Text is all of it in words.
	Text string `json:"text"`

	boots bool   // a server's message that leads to something to boot
	head  bool   // HTTP's answer to HEAD, without the file
	same  string // what a retransmission has in common with the first one
}

// FromIPXE reports whether it is a DHCP request of iPXE's.
func (e Event) FromIPXE() bool { return e.Client == IPXE }

// show is an address in words.
func show(a netip.Addr) string {
	if !a.IsValid() {
		return "no address"
	}
	return a.String()
}

// times is a number of times in words.
func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// nth is a number as in "4th time".
func nth(n int) string {
	switch {
	case n%100/10 == 1:
	case n%10 == 1:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
}
