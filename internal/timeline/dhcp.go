package timeline

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/gopacket/gopacket/layers"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/virt-netboot/virt-netboot/internal/bootfile"
)

const dhcpv6Client, dhcpv6Server = 546, 547

// userClass is iPXE's option 77, and one of its classes in DHCPv6's option 15.
const userClass = "iPXE"

// dhcp reads a message of DHCP (RFC 2131).
func (w *wire) dhcp(p packet) (Event, bool) {
	m := p.dhcp
	if m.MessageType() == dhcpv4.MessageTypeNone {
		return Event{}, false // BOOTP
	}
	e := Event{
		Kind:   Kind("dhcp-" + strings.ToLower(m.MessageType().String())),
		MAC:    m.ClientHWAddr.String(),
		Server: bootfile.Address(m.ServerIdentifier()),
		Status: m.Message(),
	}
	if m.OpCode == dhcpv4.OpcodeBootRequest {
		e.Address = bootfile.Address(m.RequestedIPAddress())
		describeClient(&e, m)
	} else {
		w.describeServer(&e, m, p)
	}
	e.same = fmt.Sprint(e.Kind, e.MAC, m.TransactionID, e.Server)
	return e, true
}

func describeClient(e *Event, m *dhcpv4.DHCPv4) {
	e.UserClass = strings.Join(m.UserClass(), " ")
	e.VendorClass = m.ClassIdentifier()
	if archs := m.ClientArch(); len(archs) > 0 {
		e.Architecture = archs[0].String()
	}
	e.Client = e.clientOf(slices.Contains(m.UserClass(), userClass))
	e.Text = fmt.Sprintf("DHCP%s from %s, %s", m.MessageType(), e.MAC, e.describe())
	if e.Address.IsValid() {
		e.Text += ", asks for " + e.Address.String()
	}
	if e.Server.IsValid() {
		e.Text += " of " + e.Server.String()
	}
}

// clientOf tells firmware from an operating system by the options that PXE asks for (RFC
// 4578).
func (e Event) clientOf(ipxe bool) Client {
	switch {
	case ipxe:
		return IPXE
	case e.Architecture != "", strings.HasPrefix(e.VendorClass, "PXEClient"), strings.HasPrefix(e.VendorClass, "HTTPClient"):
		return Firmware
	}
	return Ordinary
}

// describe says who a client is.
func (e Event) describe() string {
	text := "no user class"
	if e.UserClass != "" {
		text = "user class " + e.UserClass
	}
	if vendor, _, _ := strings.Cut(e.VendorClass, ":"); vendor != "" {
		text += ", " + vendor
	}
	if e.Architecture != "" {
		text += ", " + e.Architecture
	}
	return text
}

func (w *wire) describeServer(e *Event, m *dhcpv4.DHCPv4, p packet) {
	if !e.Server.IsValid() {
		e.Server = p.from.Addr()
	}
	e.Text = fmt.Sprintf("DHCP%s from %s: ", m.MessageType(), e.Server)
	if e.Kind == NAK {
		e.Text += "no such address for this client"
		if e.Status != "" {
			e.Text = fmt.Sprintf("DHCPNAK from %s: %s", e.Server, e.Status)
		}
		return
	}
	if a := bootfile.Address(m.YourIPAddr); a.IsValid() && !a.IsUnspecified() {
		e.Address = a
		remember(w.given, a, e.MAC)
	}
	e.BootFile, e.NextServer = bootfile.Of(m)
	e.boots = e.BootFile != "" || m.RootPath() != "" || bootfile.HasMenu(m)
	e.Text += show(e.Address)
	switch {
	case e.BootFile != "":
		e.Text += ", boot " + bootfile.URL(e.BootFile, e.NextServer)
	case m.RootPath() != "":
		e.Text += ", boot " + m.RootPath()
	case e.boots:
		e.Text += ", PXE's menu"
	default:
		e.Text += ", no boot file"
	}
}

// dhcp6 reads a message of DHCPv6 (RFC 8415; RFC 5970 for the boot file).
func dhcp6(p packet) (Event, bool) {
	m, err := dhcpv6.MessageFromBytes(p.udp.Payload)
	if err != nil {
		return Event{}, false
	}
	e := Event{Kind: Kind("dhcpv6-" + strings.ToLower(m.MessageType.String())), MAC: p.source}
	if p.to.Port() == dhcpv6Server {
		describeClient6(&e, m)
	} else {
		e.MAC, e.Server, e.BootFile = p.destination, p.from.Addr(), m.Options.BootFileURL()
		e.boots = e.BootFile != ""
		e.Text = fmt.Sprintf("DHCPv6 %s from %s: ", m.MessageType, e.Server)
		if ia := m.Options.OneIANA(); ia != nil && ia.Options.OneAddress() != nil {
			e.Address = address(ia.Options.OneAddress().IPv6Addr)
			e.Text += e.Address.String() + ", "
		}
		if e.boots {
			e.Text += "boot " + e.BootFile
		} else {
			e.Text += "no boot file"
		}
	}
	e.same = fmt.Sprint(e.Kind, e.MAC, m.TransactionID, e.Server)
	return e, true
}

func describeClient6(e *Event, m *dhcpv6.Message) {
	e.UserClass = string(bytes.Join(m.Options.UserClasses(), []byte(" ")))
	for _, class := range m.Options.VendorClasses() {
		e.VendorClass = string(bytes.Join(class.Data, []byte(" ")))
	}
	if archs := m.Options.ArchTypes(); len(archs) > 0 {
		e.Architecture = archs[0].String()
	}
	ipxe := slices.ContainsFunc(m.Options.UserClasses(), func(c []byte) bool { return string(c) == userClass })
	e.Client = e.clientOf(ipxe)
	e.Text = fmt.Sprintf("DHCPv6 %s from %s, %s", m.MessageType, e.MAC, e.describe())
}

// router reads how a guest looks for a router of IPv6, and the router's answer.
func (w *wire) router(p packet) (Event, bool) {
	switch p.icmp6.TypeCode.Type() {
	case layers.ICMPv6TypeRouterSolicitation:
		w.solicited = true
		return Event{Kind: RouterAsk, MAC: p.source, Text: "IPv6: looks for a router", same: "router of " + p.source}, true
	case layers.ICMPv6TypeRouterAdvertisement:
		mac := w.mac
		if mac == "" {
			mac = p.destination
		}
		server := p.from.Addr()
		return Event{Kind: RouterSays, MAC: mac, Server: server, Text: fmt.Sprintf("IPv6: %s is a router", server), same: fmt.Sprint("router", server, mac)}, true
	}
	return Event{}, false
}
