// Package bootfile reads what a DHCP server tells its client to boot.
package bootfile

import (
	"net"
	"net/netip"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// Of is the boot file that a message names, a URL or a file on the TFTP server next.
// Option 67 wins over the header's field. Both are zero where the message names none.
func Of(m *dhcpv4.DHCPv4) (file string, next netip.Addr) {
	file = m.BootFileNameOption()
	if file == "" {
		file = m.BootFileName
	}
	if a := Address(m.ServerIPAddr); file != "" && a.IsValid() && !a.IsUnspecified() {
		next = a
	}
	return file, next
}

// HasMenu looks for PXE_BOOT_MENU among the vendor's options (Intel's PXE 2.1,
// table 2-1).
func HasMenu(m *dhcpv4.DHCPv4) bool {
	const bootMenu = 9
	vendors := dhcpv4.Options{}
	err := vendors.FromBytes(m.Options.Get(dhcpv4.OptionVendorSpecificInformation))
	return err == nil && vendors.Has(dhcpv4.GenericOptionCode(bootMenu))
}

// URL is a boot file with where it is, as in tftp://10.77.0.1/boot.ipxe.
func URL(file string, next netip.Addr) string {
	if file == "" || strings.Contains(file, "://") || !next.IsValid() {
		return file
	}
	return "tftp://" + next.String() + "/" + strings.TrimPrefix(file, "/")
}

// Address is an IPv4 address of a message, not valid where the message has none.
func Address(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip.To4())
	return a
}
