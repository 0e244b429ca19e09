package probe

import (
	"net"
	"net/netip"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/virt-netboot/virt-netboot/internal/bootfile"
)

// Offer is what a server answered to a request.
type Offer struct {
	// Client is what the request looked like, and MAC the address it came with.
	Client Client `json:"client"`
	MAC    string `json:"mac"`
	// Server is the server's identifier (option 54), or where it sent none the
	// address that its answer came from.
	Server netip.Addr `json:"server"`
	// OpenStack says that the server is OpenStack's. Otherwise it is the tenant's.
	OpenStack bool `json:"openstack"`
	// Proxy: it completes another server's offer with what to boot, and has no address
	// (a proxyDHCP server: Intel's PXE 2.1, section 2.2; its options are in RFC 4578).
	Proxy bool `json:"proxy,omitempty"`
	// Address is what the server would give to the client, and Subnet what it lies
	// in; no prefix where the server names no netmask.
	Address netip.Addr   `json:"address"`
	Subnet  netip.Prefix `json:"subnet"`
	// BootFile is what to boot, a URL or a file on the TFTP server NextServer.
	// Both are empty where the server names none.
	BootFile   string     `json:"boot_file,omitempty"`
	NextServer netip.Addr `json:"next_server"`
	// RootPath is a disk in the network (option 17), and BootMenu says that there is a
	// PXE menu (option 43). iPXE boots both without a boot file, too.
	RootPath string `json:"root_path,omitempty"`
	BootMenu bool   `json:"boot_menu,omitempty"`
}

// boots reports whether the offer leads iPXE to anything to boot (netboot in iPXE's
// src/usr/autoboot.c).
func (o Offer) boots() bool { return o.BootFile != "" || o.RootPath != "" || o.BootMenu || o.Proxy }

// readOffer reads a server's answer that came from an address. It returns false unless
// the answer is a DHCPOFFER that iPXE can use (dhcp_discovery_rx in its
// src/net/udp/dhcp.c).
func readOffer(m *dhcpv4.DHCPv4, from net.IP) (Offer, bool) {
	if m.OpCode != dhcpv4.OpcodeBootReply || m.MessageType() != dhcpv4.MessageTypeOffer {
		return Offer{}, false
	}
	o := Offer{
		MAC:      m.ClientHWAddr.String(),
		Server:   bootfile.Address(m.ServerIdentifier()),
		RootPath: m.RootPath(),
		BootMenu: bootfile.HasMenu(m),
	}
	o.BootFile, o.NextServer = bootfile.Of(m)
	if !o.Server.IsValid() {
		o.Server = bootfile.Address(from)
	}
	if m.YourIPAddr.IsUnspecified() {
		o.Proxy = strings.HasPrefix(m.ClassIdentifier(), "PXEClient")
		if !o.Proxy {
			return Offer{}, false
		}
	} else {
		o.Address = bootfile.Address(m.YourIPAddr)
	}
	if ones, bits := m.SubnetMask().Size(); bits == 32 && o.Address.IsValid() {
		o.Subnet = netip.PrefixFrom(o.Address, ones).Masked()
	}
	return o, true
}
