package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/internal/probe"
)

// dhcpClient is one DHCP client: a name for the test, and what it sends.
type dhcpClient struct {
	name    string
	request *dhcpv4.DHCPv4
}

// clientMAC is the address of the i-th client; OpenStack's hosts file has them.
func clientMAC(i int) net.HardwareAddr {
	return net.HardwareAddr{0xfa, 0x16, 0x3e, 0, 1, byte(i)}
}

// clientAddress is what OpenStack's hosts file gives to the i-th client.
func clientAddress(i int) string { return fmt.Sprintf("10.1.0.%d", 10+i) }

// dhcpClients are those that a server is to tell apart, where OpenStack's server
// has the address given.
func dhcpClients(t *testing.T, openStack string) []dhcpClient {
	t.Helper()
	var all []dhcpClient
	add := func(name string, make func(net.HardwareAddr) (*dhcpv4.DHCPv4, error), modifiers ...dhcpv4.Modifier) {
		t.Helper()
		d, err := make(clientMAC(len(all)))
		if err != nil {
			t.Fatal(err)
		}
		for _, modify := range modifiers {
			modify(d)
		}
		all = append(all, dhcpClient{name, d})
	}
	ipxe := func(f probe.Firmware) func(net.HardwareAddr) (*dhcpv4.DHCPv4, error) {
		return func(mac net.HardwareAddr) (*dhcpv4.DHCPv4, error) { return probe.DiscoverIPXE(mac, f) }
	}
	arch := func(a iana.Arch) dhcpv4.Modifier { return dhcpv4.WithOption(dhcpv4.OptClientArch(a)) }
	plain := func(d *dhcpv4.DHCPv4) { d.DeleteOption(dhcpv4.OptionUserClassInformation); d.DeleteOption(optionIPXE) }
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
	add("iPXE, takes the tenant's offer", ipxe(probe.BIOS), request("10.77.0.150", tenantServer))
	add("ordinary", probe.DiscoverOrdinary)
	add("ordinary, user class accounts", probe.DiscoverOrdinary, dhcpv4.WithUserClass("accounts", true))
	add("ordinary, takes OpenStack's offer", probe.DiscoverOrdinary, request(clientAddress(len(all)), openStack))
	add("ordinary, had OpenStack's address", probe.DiscoverOrdinary, request(clientAddress(len(all)), ""))
	add("ordinary, had the tenant's address", probe.DiscoverOrdinary, request("10.77.0.151", ""))
	add("ordinary, had a foreign address", probe.DiscoverOrdinary, request("192.168.9.9", ""))
	add("ordinary, inform", probe.DiscoverOrdinary, inform(informAddress))
	add("firmware, BIOS PXE", ipxe(probe.BIOS), plain)
	add("firmware, UEFI x64 PXE", ipxe(probe.UEFI), plain)
	add("firmware, UEFI arm64 PXE", ipxe(probe.UEFI), plain, arch(iana.EFI_ARM64))
	add("firmware, UEFI x64 PXE as RFC 4578 first had it", ipxe(probe.UEFI), plain, arch(iana.EFI_BC))
	add("firmware, UEFI x64 HTTP", ipxe(probe.UEFI), httpClient(iana.EFI_X86_64_HTTP))
	add("firmware, UEFI arm64 HTTP", ipxe(probe.UEFI), httpClient(iana.EFI_ARM64_HTTP))
	return all
}

// optionIPXE is iPXE's own option, which Neutron's dnsmasq looks for.
var optionIPXE = dhcpv4.GenericOptionCode(175)

// request makes a DHCPREQUEST: to a server that has offered the address, or where
// that is empty of a client that had it before (RFC 2131, section 4.3.2).
func request(address, server string) dhcpv4.Modifier {
	return func(d *dhcpv4.DHCPv4) {
		d.UpdateOption(dhcpv4.OptMessageType(dhcpv4.MessageTypeRequest))
		d.UpdateOption(dhcpv4.OptRequestedIPAddress(net.ParseIP(address)))
		if server != "" {
			d.UpdateOption(dhcpv4.OptServerIdentifier(net.ParseIP(server)))
		}
	}
}

// informAddress is where an answer to a DHCPINFORM goes.
const informAddress = "10.77.0.250"

func inform(address string) dhcpv4.Modifier {
	return func(d *dhcpv4.DHCPv4) {
		d.UpdateOption(dhcpv4.OptMessageType(dhcpv4.MessageTypeInform))
		d.ClientIPAddr = net.ParseIP(address)
	}
}

// hostsOf is the hosts file of OpenStack's dnsmasq, with all the clients.
func hostsOf(all []dhcpClient) string {
	var b strings.Builder
	for i, c := range all {
		fmt.Fprintf(&b, "%s,vm%d.novalocal,%s\n", c.request.ClientHWAddr, i, clientAddress(i))
	}
	return b.String()
}

// clientDevice is where the clients are in the bridge.
const clientDevice = "clients"

func addClients(t *testing.T, l *lab.Lab) {
	t.Helper()
	ip(t, l, "link add %s type veth peer name %s-port", clientDevice, clientDevice)
	ip(t, l, "link set %s-port master %s up", clientDevice, novaBridge)
	ip(t, l, "addr add %s/24 dev %s", informAddress, clientDevice)
	ip(t, l, "link set %s up", clientDevice)
}

// askAll sends what every client sends, all at once, and returns who was answered
// how. Those that were not answered have the answer "".
func askAll(t *testing.T, all []dhcpClient, wait time.Duration) map[string]string {
	t.Helper()
	conn, err := nclient4.NewRawUDPConn(clientDevice, dhcpv4.ClientPort)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := make(map[string]string)
	for _, c := range all {
		answers[c.name] = ""
		if _, err := conn.WriteTo(c.request.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ServerPort}); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	for {
		packet := make([]byte, 4096)
		n, _, err := conn.ReadFrom(packet)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return answers
		}
		if err != nil {
			t.Fatal(err)
		}
		reply, err := dhcpv4.FromBytes(packet[:n])
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			if c.request.TransactionID == reply.TransactionID {
				answers[c.name] = describe(reply)
			}
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
