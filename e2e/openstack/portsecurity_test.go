//go:build openstack

package openstack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
)

const (
	tenantAddress = "10.77.0.1"
	tenantSubnet  = tenantAddress + "/24"
)

// tenantsServer has a tenant's own DHCP server boot an instance whose port is open, and
// not one with port security on.
func tenantsServer(ctx context.Context, t *testing.T, c *Cloud) {
	opened := addDHCPServer(ctx, t, c, "opened", Port{}.Open(), false)
	compare(ctx, t, c, []*row{
		{server: opened, name: "on", port: Port{}, boots: BootedDisk, says: "port-security"},
		{server: opened, name: "off", port: Port{}.Open(), boots: BootedScript, says: "nothing"},
	})
}

// portSecurity has a tenant's own DHCP server, and each of the ways to filter it.
func portSecurity(ctx context.Context, t *testing.T, c *Cloud) {
	conf, err := os.ReadFile(filepath.Join(checkout, "packaging/dhcp/openstack/neutron-dnsmasq.conf"))
	must(t, err)
	must(t, c.ConfigureDnsmasq(string(conf)))
	filtered := addDHCPServer(ctx, t, c, "filtered", Port{}, c.Driver != OVN) // OVN answers iPXE, too
	opened := addDHCPServer(ctx, t, c, "opened", Port{}.Open(), c.Driver != OVN)
	pair := Port{"allowed_address_pairs": []map[string]string{{"ip_address": "10.77.0.0/24"}}}
	must(t, c.Tenant.Allow(ctx, rules.ProtocolUDP, 68, tenantAddress+"/32"))
	rows := []*row{
		{server: filtered, name: "on", port: Port{}, boots: BootedDisk, says: "port-security"},
		{server: opened, name: "on", port: Port{}, boots: BootedDisk, says: "port-security"},
		{server: opened, name: "on, with the address pair and the rule", port: pair, boots: BootedScript, says: "nothing"},
		{server: opened, name: "off", port: Port{}.Open(), boots: BootedScript, says: "nothing"},
		// Nothing at the instance's own port.
		{server: filtered, name: "off", port: Port{}.Open(), boots: BootedDisk, says: "nothing"},
	}
	if c.Driver == OVN {
		answered := addDHCPServer(ctx, t, c, "answered", Port{}.Open(), true)
		rows = append(rows,
			&row{server: answered, name: "off, OVN's DHCP on", port: Port{}.Open(), boots: BootedDisk, says: "ovn-dhcp"},
			&row{server: answered, name: "off, dhcp_disabled", port: Port{}.Open().DHCPDisabled(), boots: BootedScript, says: "nothing"})
	}
	compare(ctx, t, c, rows)
}

// addDHCPServer makes a network with a tenant's own server at a port.
func addDHCPServer(ctx context.Context, t *testing.T, c *Cloud, name string, p Port, openStacksDHCP bool) *dhcpServer {
	t.Helper()
	conf, err := os.ReadFile(filepath.Join(checkout, "packaging/dhcp/tenant/dhcpd.conf"))
	must(t, err)
	n, err := c.Tenant.AddNet(ctx, name, "10.30.0.0/24", openStacksDHCP)
	must(t, err)
	m, err := c.AddMachine(ctx, n, p, name, tenantSubnet)
	must(t, err)
	must(t, m.ServeWeb(Script(tenantAddress)))
	must(t, m.ServeDHCP(string(conf)))
	return &dhcpServer{m, n}
}

// compare compares what an instance boots and what explain says with what they should,
// in each row.
func compare(ctx context.Context, t *testing.T, c *Cloud, rows []*row) {
	t.Helper()
	for k, r := range rows {
		p, err := c.Tenant.AddPort(ctx, r.server.net, r.port)
		must(t, err)
		r.instance, err = c.StartInstance(ctx, fmt.Sprintf("row-%d", k), p)
		must(t, err)
	}
	for _, r := range rows {
		must(t, r.instance.Await(ctx, "ACTIVE"))
	}
	for _, r := range rows {
		var err error
		r.booted, err = r.instance.Boots(ctx, r.server.Machine)
		if err != nil {
			t.Errorf("%s: %v", r.name, err)
		}
		r.explained, err = r.instance.Explain(tenantSubnet)
		must(t, err)
	}
	t.Log("\n" + table(rows))
	for _, r := range rows {
		if r.booted != r.boots || r.explained.Kind != r.says {
			log, _ := r.server.Log("dhcp")
			t.Errorf("port security %s, %s at the server: boots the %s, explain says %s; want the %s, %s\n%s\n%s",
				r.name, r.server.Name, r.booted, r.explained.Kind, r.boots, r.says, r.explained.Page, log)
		}
		if r.says == "nothing" && !strings.Contains(r.explained.Text, "port of the tenant's server") {
			t.Errorf("port security %s, %s at the server: explain does not say where to look next:\n%s", r.name, r.server.Name, r.explained.Page)
		}
		must(t, r.instance.Delete(ctx))
	}
}

// dhcpServer is a tenant's machine with a DHCP server for a network.
type dhcpServer struct {
	*Machine
	net Net
}

// row is one way to filter a tenant's DHCP.
type row struct {
	server    *dhcpServer
	name      string // port security at the instance's port
	port      Port
	boots     Booted // what it should boot,
	says      string // and what explain should say
	instance  *Instance
	booted    Booted
	explained Explanation
}

func table(rows []*row) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "server's port\tport security at the instance's\tboots the\texplain says")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s: %s\n", r.server.Name, r.name, r.booted, r.explained.Kind, r.explained.Text)
	}
	w.Flush() // to memory
	return b.String()
}
