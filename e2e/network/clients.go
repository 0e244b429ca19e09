package network

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/virt-netboot/virt-netboot/internal/probe"
)

// Client is one DHCP client: a name for the test, and what it sends.
type Client struct {
	Name    string
	Request *dhcpv4.DHCPv4
}

// InformAddress is where an answer to a client's DHCPINFORM goes.
const InformAddress = "10.77.0.250"

// clientMAC is the address of the i-th client; OpenStack's hosts file has them.
func clientMAC(i int) net.HardwareAddr {
	return net.HardwareAddr{0xfa, 0x16, 0x3e, 0, 1, byte(i)}
}

// clientAddress is what OpenStack's hosts file gives to the i-th client.
func clientAddress(i int) string { return fmt.Sprintf("10.1.0.%d", 10+i) }

// Clients are those that a server is to tell apart, where OpenStack's server has the
// address given.
func Clients(openStack string) ([]Client, error) {
	var all []Client
	var failed error
	add := func(name string, make func(net.HardwareAddr) (*dhcpv4.DHCPv4, error), modifiers ...dhcpv4.Modifier) {
		d, err := make(clientMAC(len(all)))
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("making what %s sends: %w", name, err))
			return
		}
		for _, modify := range modifiers {
			modify(d)
		}
		all = append(all, Client{name, d})
	}
	ipxe := func(f probe.Firmware) func(net.HardwareAddr) (*dhcpv4.DHCPv4, error) {
		return func(mac net.HardwareAddr) (*dhcpv4.DHCPv4, error) { return probe.DiscoverIPXE(mac, f) }
	}
	arch := func(a iana.Arch) dhcpv4.Modifier { return dhcpv4.WithOption(dhcpv4.OptClientArch(a)) }
	plain := func(d *dhcpv4.DHCPv4) { d.DeleteOption(dhcpv4.OptionUserClassInformation); d.DeleteOption(OptionIPXE) }
	// HTTP boot needs the class in the offer. OVMF asks for it by its number; these do
	// not, and must get it, too.
	httpClient := func(a iana.Arch) dhcpv4.Modifier {
		return func(d *dhcpv4.DHCPv4) {
			plain(d)
			arch(a)(d)
			d.UpdateOption(dhcpv4.OptClassIdentifier(fmt.Sprintf("HTTPClient:Arch:%05d:UNDI:003000", a)))
			d.UpdateOption(dhcpv4.OptParameterRequestList(dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionBootfileName))
		}
	}

	add("iPXE, BIOS", ipxe(probe.BIOS))
	add("iPXE, UEFI x64", ipxe(probe.UEFI))
	add("iPXE, UEFI x64 as RFC 4578 first had it", ipxe(probe.UEFI), arch(iana.EFI_BC))
	add("iPXE, UEFI arm64", ipxe(probe.UEFI), arch(iana.EFI_ARM64))
	add("iPXE, UEFI ia32", ipxe(probe.UEFI), arch(iana.EFI_IA32))
	add("iPXE, user class as RFC 3004 has it", ipxe(probe.BIOS), dhcpv4.WithUserClass("iPXE", true))
	add("iPXE, takes the tenant's offer", ipxe(probe.BIOS), asRequest("10.77.0.150", TenantServer))
	add("ordinary", probe.DiscoverOrdinary)
	add("ordinary, user class accounts", probe.DiscoverOrdinary, dhcpv4.WithUserClass("accounts", true))
	add("ordinary, takes OpenStack's offer", probe.DiscoverOrdinary, asRequest(clientAddress(len(all)), openStack))
	add("ordinary, had OpenStack's address", probe.DiscoverOrdinary, asRequest(clientAddress(len(all)), ""))
	add("ordinary, had the tenant's address", probe.DiscoverOrdinary, asRequest("10.77.0.151", ""))
	add("ordinary, had a foreign address", probe.DiscoverOrdinary, asRequest("192.168.9.9", ""))
	add("ordinary, inform", probe.DiscoverOrdinary, asInform(InformAddress))
	add("firmware, BIOS PXE", ipxe(probe.BIOS), plain)
	add("firmware, UEFI x64 PXE", ipxe(probe.UEFI), plain)
	add("firmware, UEFI arm64 PXE", ipxe(probe.UEFI), plain, arch(iana.EFI_ARM64))
	add("firmware, UEFI x64 PXE as RFC 4578 first had it", ipxe(probe.UEFI), plain, arch(iana.EFI_BC))
	add("firmware, UEFI x64 HTTP", ipxe(probe.UEFI), httpClient(iana.EFI_X86_64_HTTP))
	add("firmware, UEFI arm64 HTTP", ipxe(probe.UEFI), httpClient(iana.EFI_ARM64_HTTP))
	return all, failed
}

// OptionIPXE is iPXE's own option, which Neutron's dnsmasq looks for.
var OptionIPXE = dhcpv4.GenericOptionCode(175)

// asRequest makes a DHCPREQUEST: to a server that has offered the address, or where
// that is empty of a client that had it before (RFC 2131, section 4.3.2).
func asRequest(address, server string) dhcpv4.Modifier {
	return func(d *dhcpv4.DHCPv4) {
		d.UpdateOption(dhcpv4.OptMessageType(dhcpv4.MessageTypeRequest))
		d.UpdateOption(dhcpv4.OptRequestedIPAddress(net.ParseIP(address)))
		if server != "" {
			d.UpdateOption(dhcpv4.OptServerIdentifier(net.ParseIP(server)))
		}
	}
}

func asInform(address string) dhcpv4.Modifier {
	return func(d *dhcpv4.DHCPv4) {
		d.UpdateOption(dhcpv4.OptMessageType(dhcpv4.MessageTypeInform))
		d.ClientIPAddr = net.ParseIP(address)
	}
}

// HostsFile is that of OpenStack's dnsmasq, with all the clients.
func HostsFile(all []Client) string {
	var b strings.Builder
	for i, c := range all {
		fmt.Fprintf(&b, "%s,vm%d.novalocal,%s\n", c.Request.ClientHWAddr, i, clientAddress(i))
	}
	return b.String()
}

// Ask sends what every client sends, all at once from a device, and returns who was
// answered how. Those that were not answered have the answer "". Another answer to
// a client stands after the first.
func Ask(device string, all []Client, wait time.Duration) (map[string]string, error) {
	conn, err := nclient4.NewRawUDPConn(device, dhcpv4.ClientPort)
	if err != nil {
		return nil, fmt.Errorf("asking on %s: %w", device, err)
	}
	defer conn.Close()
	answers := make(map[string]string)
	for _, c := range all {
		answers[c.Name] = ""
		if _, err := conn.WriteTo(c.Request.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ServerPort}); err != nil {
			return nil, fmt.Errorf("asking as %s: %w", c.Name, err)
		}
	}
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return nil, err
	}
	for {
		packet := make([]byte, 4096)
		n, _, err := conn.ReadFrom(packet)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return answers, nil
		}
		if err != nil {
			return nil, err
		}
		reply, err := dhcpv4.FromBytes(packet[:n])
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			if c.Request.TransactionID != reply.TransactionID || answers[c.Name] == describe(reply) {
				continue
			}
			answers[c.Name] = strings.TrimPrefix(answers[c.Name]+"; "+describe(reply), "; ")
		}
	}
}

// describe is a reply in short: its kind, the boot file and the class, and the
// routers unless that is the server itself.
func describe(reply *dhcpv4.DHCPv4) string {
	file := reply.BootFileNameOption()
	if file == "" {
		file = reply.BootFileName
	}
	words := []string{reply.MessageType().String()}
	if file != "" && !strings.Contains(file, "://") {
		file = "tftp://" + filepath.Join(reply.ServerIPAddr.String(), file)
	}
	if file != "" {
		words = append(words, file)
	}
	if class := reply.ClassIdentifier(); class != "" {
		words = append(words, class)
	}
	routers := reply.Router()
	if !reply.YourIPAddr.IsUnspecified() && (len(routers) != 1 || !routers[0].Equal(reply.ServerIdentifier())) {
		words = append(words, fmt.Sprintf("routers %v", routers))
	}
	return strings.Join(words, " ")
}

// OpenStackAnswers are the right answers of OpenStack's server: to all clients except
// iPXE, and except firmware where that is the tenant's. (It may answer a DHCPINFORM from
// the tenant's subnet, and has no route for the answer.)
func OpenStackAnswers(all []Client, firmwareIsTenants bool) map[string]string {
	answers := silence(all)
	answers["ordinary"] = "OFFER"
	answers["ordinary, user class accounts"] = "OFFER"
	answers["ordinary, takes OpenStack's offer"] = "ACK"
	for name := range firmwareFiles() {
		if !firmwareIsTenants {
			answers[name] = "OFFER"
		}
	}
	return answers
}

// TenantAnswers are the right answers of the tenant's server: only to iPXE and, where it
// loads that into firmware, to firmware.
func TenantAnswers(all []Client, firmware bool) map[string]string {
	answers := silence(all)
	answers["iPXE, BIOS"] = "OFFER http://10.77.0.1/bios.ipxe"
	answers["iPXE, UEFI x64"] = "OFFER http://10.77.0.1/x64.ipxe"
	answers["iPXE, UEFI x64 as RFC 4578 first had it"] = "OFFER http://10.77.0.1/x64.ipxe"
	answers["iPXE, UEFI arm64"] = "OFFER http://10.77.0.1/arm64.ipxe"
	answers["iPXE, UEFI ia32"] = "OFFER tftp://10.77.0.1/boot.ipxe"
	answers["iPXE, user class as RFC 3004 has it"] = "OFFER http://10.77.0.1/bios.ipxe"
	answers["iPXE, takes the tenant's offer"] = "ACK http://10.77.0.1/bios.ipxe"
	if firmware {
		for name, answer := range firmwareFiles() {
			answers[name] = answer
		}
	}
	return answers
}

// firmwareFiles is what each firmware is to boot.
func firmwareFiles() map[string]string {
	return map[string]string{
		"firmware, BIOS PXE":                              "OFFER tftp://10.77.0.1/undionly.kpxe",
		"firmware, UEFI x64 PXE":                          "OFFER tftp://10.77.0.1/snponly.efi",
		"firmware, UEFI arm64 PXE":                        "OFFER tftp://10.77.0.1/snponly-arm64.efi",
		"firmware, UEFI x64 PXE as RFC 4578 first had it": "OFFER tftp://10.77.0.1/snponly.efi",
		"firmware, UEFI x64 HTTP":                         "OFFER http://10.77.0.1/snponly.efi HTTPClient",
		"firmware, UEFI arm64 HTTP":                       "OFFER http://10.77.0.1/snponly-arm64.efi HTTPClient",
	}
}

// silence is no answer to any client.
func silence(all []Client) map[string]string {
	answers := make(map[string]string)
	for _, c := range all {
		answers[c.Name] = ""
	}
	return answers
}
