package probe

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Host is one MAC address with the address that OpenStack's dnsmasq has for it.
type Host struct {
	MAC     string // as net.HardwareAddr writes it
	Address netip.Addr
	Name    string // what the instance is called there; may be empty
}

// HostsFile is the path of the hosts file that OpenStack has for the dnsmasq of a
// bridge on this machine, below the root directory: nova-network's, by the bridge's
// name, or that of Neutron's DHCP agent, by the network in the Linux bridge agent's
// name of the bridge. It is empty when there is none.
func HostsFile(root, bridge string) string {
	patterns := []string{filepath.Join("var/lib/nova/networks", "nova-"+bridge+".conf")}
	if network, ok := strings.CutPrefix(bridge, "brq"); ok {
		patterns = append(patterns, filepath.Join("var/lib/neutron/dhcp", network+"*", "host"))
	}
	for _, pattern := range patterns {
		if found, _ := filepath.Glob(filepath.Join(root, pattern)); len(found) == 1 {
			return found[0]
		}
	}
	return ""
}

// readHosts reads a file of dnsmasq's --dhcp-hostsfile.
func readHosts(path string) ([]Host, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the hosts of OpenStack's dnsmasq: %w", err)
	}
	defer f.Close()
	hosts, err := parseHosts(f)
	if err != nil {
		return nil, fmt.Errorf("reading the hosts of OpenStack's dnsmasq: %s: %w", path, err)
	}
	return hosts, nil
}

// parseHosts reads the lines that give one MAC address an IPv4 address, in
// dnsmasq's order of fields:
//
//	fa:16:3e:50:43:cd,vm1.novalocal,10.0.0.3,net:NW-1
func parseHosts(r io.Reader) ([]Host, error) {
	var hosts []Host
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "#") {
			continue
		}
		if h, ok := parseHost(line); ok {
			hosts = append(hosts, h)
		}
	}
	return hosts, lines.Err()
}

func parseHost(line string) (h Host, ok bool) {
	fields := strings.Split(line, ",")
	if slices.Contains(fields, "ignore") {
		return Host{}, false // dnsmasq never answers it
	}
	for _, field := range fields {
		field = strings.TrimSpace(field)
		mac, notMAC := net.ParseMAC(field)
		ip, notIP := netip.ParseAddr(field)
		switch {
		case notMAC == nil:
			h.MAC = mac.String()
		case notIP == nil && ip.Is4():
			h.Address = ip
		case strings.ContainsAny(field, ":[") || h.Address.IsValid():
			// A tag, a client identifier, IPv6; behind the address, a lease's time.
		case h.Name == "":
			h.Name = field
		}
	}
	return h, h.MAC != "" && h.Address.IsValid()
}
