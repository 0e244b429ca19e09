//go:build openstack

package openstack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
)

func TestLinuxBridge(t *testing.T) { testSteps(t, LinuxBridge, allSteps()...) }
func TestOpenVSwitch(t *testing.T) { testSteps(t, OpenVSwitch, allSteps()...) }
func TestOVSHybrid(t *testing.T)   { testSteps(t, Hybrid, allSteps()...) }
func TestOVN(t *testing.T)         { testSteps(t, OVN, allSteps()...) }

// TestEachWay is a shorter form of them: each way once.
func TestEachWay(t *testing.T) {
	testSteps(t, OVN,
		step{"OpenStack names the boot file", thirdWay},
		step{"the tenant's own DHCP server", tenantsServer})
}

// step is a part of a test, with instances of its own.
type step struct {
	name string
	f    func(context.Context, *testing.T, *Cloud)
}

func allSteps() []step {
	return []step{
		{"OpenStack names the boot file", thirdWay},
		{"the tenant's own DHCP server", portSecurity},
		{"restarts in the middle of creates", restarts},
		{"lifecycle", lifecycle},
	}
}

func testSteps(t *testing.T, driver Driver, steps ...step) {
	ctx, c := start(t, driver)
	for _, step := range steps {
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
