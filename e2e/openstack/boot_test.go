//go:build openstack

package openstack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
)

func TestLinuxBridge(t *testing.T) { testDriver(t, LinuxBridge) }
func TestOpenVSwitch(t *testing.T) { testDriver(t, OpenVSwitch) }
func TestOVN(t *testing.T)         { testDriver(t, OVN) }

func testDriver(t *testing.T, driver Driver) {
	ctx, c := start(t, driver)
	for _, step := range []struct {
		name string
		f    func(context.Context, *testing.T, *Cloud)
	}{
		{"OpenStack names the boot file", thirdWay},
		{"the tenant's own DHCP server", portSecurity},
		{"restarts in the middle of creates", restarts},
		{"lifecycle", lifecycle},
	} {
		began := time.Now()
		ok := t.Run(step.name, func(t *testing.T) { step.f(ctx, t, c) })
		t.Logf("%s: %s", step.name, time.Since(began).Round(time.Second))
		if !ok {
			t.Log(c.Logs())
		}
	}
}

// thirdWay has OpenStack's DHCP name the tenant's boot file, with port security on.
func thirdWay(ctx context.Context, t *testing.T, c *Cloud) {
	n, err := c.Tenant.AddNet(ctx, "third", "10.20.0.0/24", true)
	must(t, err)
	const web = "10.20.0.77"
	server, err := c.AddMachine(ctx, n, Port{"fixed_ips": []map[string]string{{"ip_address": web}}}, "third", web+"/24")
	must(t, err)
	must(t, server.ServeWeb(Script(web)))
	must(t, c.Tenant.Allow(ctx, rules.ProtocolTCP, 80, ""))

	url := "http://" + web + "/boot.ipxe"
	port, err := c.Tenant.AddPort(ctx, n, Port{}.BootFile(url, web))
	must(t, err)
	must(t, c.AwaitDHCP(ctx, n, url))
	i, err := c.AddInstance(ctx, "third", port)
	must(t, err)
	checkBoots(ctx, t, i, server, BootedScript)
	e, err := i.Explain("")
	must(t, err)
	if e.Kind != "nothing" || !strings.Contains(e.Text, url) {
		t.Errorf("explain says:\n%s", e.Page)
	}
	if c.Driver == LinuxBridge {
		verdicts, err := i.Probe("brq" + n.ID[:11])
		must(t, err)
		if !slices.Equal(verdicts, []string{"right"}) {
			log, _ := c.Try("journalctl", "--no-pager", "--output=short-precise", "--identifier=dnsmasq-dhcp", "--lines=20")
			t.Errorf("probe says %v; want right. The network's dnsmasq:\n%s", verdicts, log)
		}
	}
	must(t, i.Delete(ctx))
}

// checkBoots waits for what an instance boots.
func checkBoots(ctx context.Context, t *testing.T, i *Instance, m *Machine, want Booted) {
	t.Helper()
	got, err := i.Boots(ctx, m)
	if err == nil && got != want {
		err = fmt.Errorf("%s boots the %s; want the %s", i.Domain, got, want)
	}
	if err != nil {
		web, _ := m.Log("web")
		t.Errorf("%v\nthe web server's log:\n%s", err, web)
	}
}

const (
	tenantAddress = "10.77.0.1"
	tenantSubnet  = tenantAddress + "/24"
)

// portSecurity has a tenant's own DHCP server, and each of the ways to filter it, and
// compares what explain says with what the instance boots.
func portSecurity(ctx context.Context, t *testing.T, c *Cloud) {
	conf, err := os.ReadFile(filepath.Join(checkout, "packaging/dhcp/openstack/neutron-dnsmasq.conf"))
	must(t, err)
	must(t, c.ConfigureDnsmasq(string(conf)))
	conf, err = os.ReadFile(filepath.Join(checkout, "packaging/dhcp/tenant/dhcpd.conf"))
	must(t, err)
	servers, nets := map[string]*Machine{}, map[string]Net{}
	addServer := func(name string, p Port, openStacksDHCP bool) {
		n, err := c.Tenant.AddNet(ctx, name, "10.30.0.0/24", openStacksDHCP)
		must(t, err)
		m, err := c.AddMachine(ctx, n, p, name, tenantSubnet)
		must(t, err)
		must(t, m.ServeWeb(Script(tenantAddress)))
		must(t, m.ServeDHCP(string(conf)))
		servers[name], nets[name] = m, n
	}
	addServer("filtered", Port{}, c.Driver != OVN) // OVN answers iPXE, too
	addServer("opened", Port{}.Open(), c.Driver != OVN)
	pair := Port{"allowed_address_pairs": []map[string]string{{"ip_address": "10.77.0.0/24"}}}
	must(t, c.Tenant.Allow(ctx, rules.ProtocolUDP, 68, tenantAddress+"/32"))
	rows := []*row{
		{server: "filtered", name: "on", port: Port{}, boots: BootedDisk, says: "port-security"},
		{server: "opened", name: "on", port: Port{}, boots: BootedDisk, says: "port-security"},
		{server: "opened", name: "on, with the address pair and the rule", port: pair, boots: BootedScript, says: "nothing"},
		{server: "opened", name: "off", port: Port{}.Open(), boots: BootedScript, says: "nothing"},
		// Nothing at the instance's own port.
		{server: "filtered", name: "off", port: Port{}.Open(), boots: BootedDisk, says: "nothing"},
	}
	if c.Driver == OVN {
		addServer("answered", Port{}.Open(), true)
		rows = append(rows,
			&row{server: "answered", name: "off, OVN's DHCP on", port: Port{}.Open(), boots: BootedDisk, says: "ovn-dhcp"},
			&row{server: "answered", name: "off, dhcp_disabled", port: Port{}.Open().DHCPDisabled(), boots: BootedScript, says: "nothing"})
	}
	for k, r := range rows {
		p, err := c.Tenant.AddPort(ctx, nets[r.server], r.port)
		must(t, err)
		r.instance, err = c.StartInstance(ctx, fmt.Sprintf("row-%d", k), p)
		must(t, err)
	}
	for _, r := range rows {
		must(t, r.instance.Await(ctx, "ACTIVE"))
	}
	for _, r := range rows {
		r.booted, err = r.instance.Boots(ctx, servers[r.server])
		if err != nil {
			t.Errorf("%s: %v", r.name, err)
		}
		r.explained, err = r.instance.Explain(tenantSubnet)
		must(t, err)
	}
	t.Log("\n" + table(rows))
	for _, r := range rows {
		if r.booted != r.boots || r.explained.Kind != r.says {
			log, _ := servers[r.server].Log("dhcp")
			t.Errorf("port security %s, %s at the server: boots the %s, explain says %s; want the %s, %s\n%s\n%s",
				r.name, r.server, r.booted, r.explained.Kind, r.boots, r.says, r.explained.Page, log)
		}
		if r.says == "nothing" && !strings.Contains(r.explained.Text, "port of the tenant's server") {
			t.Errorf("port security %s, %s at the server: explain does not say where to look next:\n%s", r.name, r.server, r.explained.Page)
		}
		must(t, r.instance.Delete(ctx))
	}
}

// row is one way to filter a tenant's DHCP.
type row struct {
	server, name string // port security at the server's port, and at the instance's
	port         Port
	boots        Booted // what it should boot,
	says         string // and what explain should say
	instance     *Instance
	booted       Booted
	explained    Explanation
}

func table(rows []*row) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "server's port\tport security at the instance's\tboots the\texplain says")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s: %s\n", r.server, r.name, r.booted, r.explained.Kind, r.explained.Text)
	}
	w.Flush() // to memory
	return b.String()
}

// restarts restarts the agent again and again while Nova makes instances.
func restarts(ctx context.Context, t *testing.T, c *Cloud) {
	n, err := c.Tenant.AddNet(ctx, "restarts", "10.40.0.0/24", c.Driver == OVN)
	must(t, err)
	var all []*Instance
	for k := range 4 {
		p, err := c.Tenant.AddPort(ctx, n, Port{})
		must(t, err)
		i, err := c.StartInstance(ctx, fmt.Sprintf("restarted-%d", k), p)
		must(t, err)
		all = append(all, i)
	}
	stop := make(chan struct{})
	restarted := make(chan int)
	go func() {
		count := 0
		defer func() { restarted <- count }()
		for {
			select {
			case <-stop:
				return
			case <-time.After(3 * time.Second): // systemd allows five in ten seconds
			}
			if _, err := c.Try("systemctl", "restart", "virt-netboot"); err != nil {
				t.Error(err)
				return
			}
			count++
		}
	}()
	for _, i := range all {
		if err := i.Await(ctx, "ACTIVE"); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	count := <-restarted
	t.Logf("%d restarts while Nova made %d instances", count, len(all))
	if count < len(all) {
		t.Error("too few to hit anything")
	}
	for _, i := range all {
		must(t, i.triesNetworkFirst(ctx))
		must(t, i.Delete(ctx))
	}
}

// triesNetworkFirst says whether QEMU has the network before the disk.
func (i *Instance) triesNetworkFirst(ctx context.Context) error {
	return await(ctx, "the network first in "+i.Domain, func() error {
		out, err := i.cloud.Try("virsh", "dumpxml", i.Domain)
		if err != nil {
			return err
		}
		network, disk := strings.Index(out, "<boot dev='network'/>"), strings.Index(out, "<boot dev='hd'/>")
		if network < 0 || disk >= 0 && disk < network {
			return fmt.Errorf("boot order:\n%s", out)
		}
		return nil
	})
}
