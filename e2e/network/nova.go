package network

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
)

// What each server says last before it serves.
const (
	DnsmasqReady = "DHCP, "
	dhcpdReady   = "Server starting service."
	webReady     = "Serving HTTP on"
	tftpReady    = "TFTP root is"
)

// Nova is OpenStack's dnsmasq as nova-network starts it (Nova's
// nova/network/linux_net.py, update_dhcp), in the foreground and without the script
// that tells Nova of each lease.
type Nova struct {
	// Address is the server's, the bridge's own.
	Address string
	// ConfFile is the path in dnsmasq_config_file, HostsFile that of the static
	// addresses.
	ConfFile, HostsFile string
}

// Start starts the server.
func (n Nova) Start(ctx context.Context) (*Server, error) {
	dir, err := serverDir()
	if err != nil {
		return nil, err
	}
	options := filepath.Join(dir, "opts")
	if err := os.WriteFile(options, nil, 0o644); err != nil {
		return nil, err
	}
	return Start(ctx, "", DnsmasqReady, "dnsmasq", "--keep-in-foreground", "--log-facility=-",
		"--strict-order",
		"--bind-interfaces",
		"--conf-file="+n.ConfFile,
		"--pid-file="+filepath.Join(dir, "pid"),
		"--dhcp-optsfile="+options,
		"--listen-address="+n.Address,
		"--except-interface=lo",
		"--dhcp-range=set:private,"+subnet(n.Address)+",static,255.255.255.0,86400s",
		"--dhcp-lease-max=256",
		"--dhcp-hostsfile="+n.HostsFile,
		"--no-hosts",
		"--leasefile-ro",
		"--domain=novalocal")
}

// subnet is the /24 of an address.
func subnet(address string) string {
	return netip.PrefixFrom(netip.MustParseAddr(address), 24).Masked().Addr().String()
}

// serverDir is a directory for a server that gives up root.
func serverDir() (string, error) {
	dir, err := os.MkdirTemp("/run", "server-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o777)
}
