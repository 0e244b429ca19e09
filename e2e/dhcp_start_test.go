package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/e2e/network"
)

// serverDir is a directory for a server that gives up root.
func serverDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/run", "dhcp-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func makeDir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

// writeIn writes a file and returns its path.
func writeIn(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// The servers of OpenStack, as it starts them: the command lines are those of
// Nova's nova/network/linux_net.py and Neutron's neutron/agent/linux/dhcp.py, in
// the foreground and without the script that tells Nova of each lease. conf is the
// text of dnsmasq_config_file, hosts that of the hosts file.
type startOpenStack func(t *testing.T, l *lab.Lab, conf, hosts string)

// startNovaEssex is nova-network of Nova 2012.1, which the seed is about.
func startNovaEssex(t *testing.T, _ *lab.Lab, conf, hosts string) {
	t.Helper()
	dir := serverDir(t)
	startServer(t, "", network.DnsmasqReady, "dnsmasq", "--keep-in-foreground", "--log-facility=-",
		"--strict-order",
		"--bind-interfaces",
		"--conf-file="+writeIn(t, dir, "dnsmasq.conf", conf),
		"--domain=novalocal",
		"--pid-file="+filepath.Join(dir, "pid"),
		"--listen-address="+novaServer,
		"--except-interface=lo",
		"--dhcp-range="+novaSubnet+",static,120s",
		"--dhcp-lease-max=256",
		"--dhcp-hostsfile="+writeIn(t, dir, "hosts", hosts),
		"--leasefile-ro")
}

// startNova is nova-network of later releases.
func startNova(t *testing.T, _ *lab.Lab, conf, hosts string) {
	t.Helper()
	dir := serverDir(t)
	s, err := network.Nova{
		Address:   novaServer,
		ConfFile:  writeIn(t, dir, "dnsmasq.conf", conf),
		HostsFile: writeIn(t, dir, "hosts", hosts),
	}.Start(t.Context())
	must(t, err)
	stopAfter(t, s)
}

// The namespace and the interface of Neutron's DHCP server.
const (
	neutronNamespace = "qdhcp-1b5c0e5e-2f77-4c0c-9d5c-6f8c3c1c2006"
	neutronDevice    = "ns-5b70dc00-0a"
	neutronServer    = "10.1.0.2"
)

// startNeutron is Neutron's DHCP agent: a namespace of its own.
func startNeutron(t *testing.T, l *lab.Lab, conf, hosts string) {
	t.Helper()
	startNeutronAt(t, l, novaBridge, conf, writeIn(t, serverDir(t), "host", hosts))
}

// startNeutronAt is the same in any bridge, with the hosts in a file.
func startNeutronAt(t *testing.T, l *lab.Lab, bridge, conf, hosts string) {
	t.Helper()
	addMachine(t, l, neutronNamespace, bridge, neutronDevice, neutronServer)
	dir := serverDir(t)
	startServer(t, neutronNamespace, network.DnsmasqReady, "dnsmasq", "--keep-in-foreground", "--log-facility=-",
		"--no-hosts",
		"--no-resolv",
		"--pid-file="+filepath.Join(dir, "pid"),
		"--dhcp-hostsfile="+hosts,
		"--addn-hosts="+writeIn(t, dir, "addn_hosts", ""),
		"--dhcp-optsfile="+writeIn(t, dir, "opts", ""),
		"--dhcp-leasefile="+filepath.Join(dir, "leases"),
		"--dhcp-match=set:ipxe,175",
		"--dhcp-userclass=set:ipxe6,iPXE",
		"--local-service",
		"--bind-dynamic",
		"--dhcp-range=set:subnet-e91d180c,"+novaSubnet+",static,255.255.255.0,86400s",
		"--dhcp-option-force=option:mtu,1450",
		"--dhcp-lease-max=256",
		"--conf-file="+writeIn(t, dir, "dnsmasq.conf", conf),
		"--domain=openstacklocal")
}

// A tenant's server, in a namespace that stands in for its instance. conf is the
// text of its configuration; the path returned is where it keeps its leases.
type startTenant func(t *testing.T, namespace, conf string) (leases string)

func startTenantDnsmasq(t *testing.T, namespace, conf string) string {
	t.Helper()
	dir := serverDir(t)
	leases := filepath.Join(dir, "leases")
	makeDir(t, tftpRoot)
	startServer(t, namespace, network.DnsmasqReady, "dnsmasq", "--keep-in-foreground", "--log-facility=-",
		"--conf-file="+writeIn(t, dir, "dnsmasq.conf", conf),
		"--dhcp-leasefile="+leases, "--pid-file="+filepath.Join(dir, "pid"),
		"--no-ping") // else it serves one client in three seconds
	return leases
}

func startTenantDhcpd(t *testing.T, namespace, conf string) string {
	t.Helper()
	leases := writeIn(t, serverDir(t), "dhcpd.leases", "")
	startDhcpd(t, namespace, leases, conf)
	return leases
}

func startDhcpd(t *testing.T, namespace, leases, conf string) *network.Server {
	t.Helper()
	s, err := network.StartDHCPD(t.Context(), namespace, leases, conf)
	must(t, err)
	stopAfter(t, s)
	return s
}

func startTenantKea(t *testing.T, namespace, conf string) string {
	t.Helper()
	dir := serverDir(t)
	const leases = "/var/lib/kea/kea-leases4.csv"
	makeDir(t, filepath.Dir(leases)) // as systemd does for Debian's unit
	startServer(t, namespace, "DHCP4_STARTED",
		"env", "KEA_PIDFILE_DIR="+dir, "KEA_LOCKFILE_DIR="+dir, "kea-dhcp4", "-c", writeIn(t, dir, "kea-dhcp4.conf", conf))
	return leases
}
