//go:build openstack

package openstack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// Machine is a tenant's machine: a network namespace with one interface at a port of
// Neutron's, filtered as an instance's is.
type Machine struct {
	cloud *Cloud
	Name  string
	Port  *ports.Port
}

// Tap is the node's end of its interface, named as Nova and Neutron name one.
func (m *Machine) Tap() string { return "tap" + m.Port.ID[:11] }

// AddMachine makes a port in a network, and a machine with that MAC address and an
// address with the bits of its subnet.
func (c *Cloud) AddMachine(ctx context.Context, n Net, p Port, name, address string) (*Machine, error) {
	made, err := c.Tenant.AddPort(ctx, n, p.with("name", name))
	if err != nil {
		return nil, err
	}
	m := &Machine{c, name, made}
	// Neutron's agents filter a port that is bound to their node. The Linux bridge
	// agent plugs it, too, unless it is Nova's.
	bound := portUpdate{Port{"binding:host_id": "node1", "device_owner": "lab:machine", "device_id": name}}
	if err := ports.Update(ctx, c.Operator.Network, made.ID, bound).Err; err != nil {
		return nil, fmt.Errorf("binding the port of %s: %w", name, err)
	}
	script := fmt.Sprintf(`
ip netns add %[1]s
ip link add %[2]s type veth peer name eth0 netns %[1]s
ip -n %[1]s link set lo up
ip -n %[1]s link set eth0 address %[3]s up
ip -n %[1]s addr add %[4]s dev eth0
# Open vSwitch sends on what the kernel has left to a network card's checksums.
ip netns exec %[1]s ethtool --offload eth0 tx off >/dev/null
ip link set %[2]s up
`, name, m.Tap(), made.MACAddress, address)
	if _, err := c.Shell(script + m.plug()); err != nil {
		return nil, err
	}
	return m, await(ctx, "Neutron to connect "+name, func() error { return m.isConnected(ctx) })
}

// plug is a script that connects it as os-vif does an instance. With the Linux bridge
// agent that is the agent's work.
func (m *Machine) plug() string {
	inOVS := func(device string) string {
		return fmt.Sprintf("ovs-vsctl add-port br-int %s -- set interface %[1]s external_ids:iface-id=%s external_ids:attached-mac=%s external_ids:iface-status=active external_ids:vm-id=%s\n",
			device, m.Port.ID, m.Port.MACAddress, m.Name)
	}
	switch m.cloud.Driver {
	case LinuxBridge:
		return ""
	case Hybrid:
		return fmt.Sprintf(`
ip link add qbr%[1]s type bridge
ip link add qvb%[1]s type veth peer name qvo%[1]s
ip link set qvb%[1]s master qbr%[1]s up
ip link set tap%[1]s master qbr%[1]s
ip link set qvo%[1]s up
ip link set qbr%[1]s up
`, m.Port.ID[:11]) + inOVS("qvo"+m.Port.ID[:11])
	}
	return inOVS(m.Tap())
}

func (m *Machine) isConnected(ctx context.Context) error {
	now, err := ports.Get(ctx, m.cloud.Operator.Network, m.Port.ID).Extract()
	if err == nil && now.Status != "ACTIVE" {
		err = fmt.Errorf("the port is %s", now.Status)
	}
	return err
}

// Script is the tenant's boot script: it asks for a file as soon as it runs, so that the
// web server's log says whose it was.
func Script(server string) string {
	return "#!ipxe\necho This is the tenant's script\nimgfetch http://" + server + "/ran-${net0/mac:hexhyp} ||\nsleep 3600\n"
}

// ServeWeb starts a web server with a script, in the directory that is the machine's.
func (m *Machine) ServeWeb(script string) error {
	dir := "/srv/" + m.Name
	for _, name := range []string{"boot.ipxe", "bios.ipxe"} {
		file := m.cloud.Path(filepath.Join(dir, name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
			return err
		}
	}
	return m.run("web", "python3", "-u", "-m", "http.server", "--directory", dir, "80")
}

// ServeDHCP starts the DHCP server that packaging/dhcp has for tenants.
func (m *Machine) ServeDHCP(conf string) error {
	name := "/etc/dhcp/" + m.Name + ".conf"
	if err := os.WriteFile(m.cloud.Path(name), []byte(conf), 0o644); err != nil {
		return err
	}
	leases := "/var/lib/dhcp/" + m.Name + ".leases"
	if _, err := m.cloud.Try("touch", leases); err != nil {
		return err
	}
	return m.run("dhcp", "dhcpd", "-f", "-d", "-cf", name, "-lf", leases, "-pf", "/run/"+m.Name+"-dhcpd.pid", "eth0")
}

// run runs a server in the machine, as a unit of the node's systemd.
func (m *Machine) run(what string, command ...string) error {
	_, err := m.cloud.Try(append([]string{"systemd-run", "--quiet", "--unit=" + m.Name + "-" + what,
		"--property=NetworkNamespacePath=/run/netns/" + m.Name}, command...)...)
	return err
}

// Log is what a server has written: "web" or "dhcp".
func (m *Machine) Log(what string) (string, error) {
	return m.cloud.Try("journalctl", "--no-pager", "--output=cat", "--unit="+m.Name+"-"+what)
}

// Ran says whether the script ran in an instance.
func (m *Machine) Ran(mac string) (bool, error) {
	log, err := m.Log("web")
	return strings.Contains(log, "GET /ran-"+strings.ReplaceAll(mac, ":", "-")+" "), err
}

// AwaitDHCP waits until OpenStack's DHCP server of a network runs and knows an option of
// a port's, if one is named. On a busy machine that takes longer than iPXE waits.
func (c *Cloud) AwaitDHCP(ctx context.Context, n Net, option string) error {
	if c.Driver == OVN {
		return nil // it answers from the start of a port
	}
	return await(ctx, "the dnsmasq of a network", func() error {
		dir := c.Path("/var/lib/neutron/dhcp/" + n.ID)
		opts, err := os.ReadFile(dir + "/opts")
		if err != nil {
			return err
		}
		if !strings.Contains(string(opts), option) {
			return fmt.Errorf("its options are:\n%s", opts)
		}
		_, err = os.Stat(dir + "/pid")
		return err
	})
}

// ConfigureDnsmasq gives a file to the dnsmasqs of Neutron's DHCP agent.
func (c *Cloud) ConfigureDnsmasq(conf string) error {
	if c.Driver == OVN {
		return nil // no dnsmasq
	}
	if err := os.WriteFile(c.Path("/etc/neutron/dnsmasq.conf"), []byte(conf), 0o644); err != nil {
		return err
	}
	_, err := c.Shell(`sed -i '/^\[DEFAULT\]/a dnsmasq_config_file = /etc/neutron/dnsmasq.conf' /etc/neutron/dhcp_agent.ini
systemctl restart neutron-dhcp-agent`)
	return err
}
