package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/e2e/network"
	"github.com/virt-netboot/virt-netboot/internal/timeline"
)

// storyConfig leaves OpenStack's files as a test writes them.
const storyConfig = "files: []\n"

// TestStory is the seed's story: an instance defined by Nova's document boots what
// its tenant serves, and no other server has a part in it.
func TestStory(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true, Config: storyConfig}, func(t *testing.T, l *lab.Lab) {
		tenant, neighbour := openTenant(t, l, network.First()), openTenant(t, l, network.Second())
		startAgent(t, l)
		g := storyGuest(t, l, network.Instance)

		since := time.Now()
		virsh(t, l, "create", g.File)
		awaitScreen(t, l, g.Name, "Booting from Hard Disk")
		if n := tenant.Asked(since); n > 0 {
			t.Errorf("bypassing the gateway it asked %d times, so this test tests nothing", n)
		}
		virsh(t, l, "destroy", g.Name)

		since = time.Now()
		virshGateway(t, l, "define", g.File)
		virshGateway(t, l, "start", g.Name)
		awaitConsole(t, g, tenant, since)
		checkOnlyTenantAnswered(t, tenant, since)
		if n := neighbour.Asked(since); n > 0 {
			t.Errorf("the other tenant's servers were asked %d times:\n%s", n, told(since, neighbour))
		}
		wantPaths := []string{"/bios.ipxe", "/hello?from=fa:16:3e:50:43:cd&platform=pcbios", "/kernel"}
		if diff := cmp.Diff(wantPaths, fetched(tenant, since)); diff != "" {
			t.Errorf("fetched over HTTP (-want +got):\n%s", diff)
		}
		screen, err := l.Screen(t.Context(), g.Name)
		must(t, err)
		if !strings.Contains(screen, network.Script) {
			t.Errorf("the guest does not say %q:\n%s", network.Script, screen)
		}
		wantFindings(t, l, findings{})
	})
}

// TestStoryTwoNICs boots from the second interface, which the rule chooses by its
// bridge.
func TestStoryTwoNICs(t *testing.T) {
	const config = storyConfig + "rules: [{name: second, boot_nic: {bridge: br100}}]\n"
	lab.Run(t, lab.Options{Hook: true, Config: config}, func(t *testing.T, l *lab.Lab) {
		tenant, neighbour := openTenant(t, l, network.First()), openTenant(t, l, network.Second())
		startAgent(t, l)
		g := storyGuest(t, l, edit(t, network.Instance, `<interface type="bridge">`,
			`<interface type="bridge">
      <mac address="fa:16:3e:00:00:01"/>
      <model type="virtio"/>
      <source bridge="br101"/>
    </interface>
    <interface type="bridge">`))
		since := time.Now()
		virshGateway(t, l, "create", g.File)
		if diff := cmp.Diff(map[string]int{"net1": 1, "virtio-disk0": 2}, bootIndexes(t, l, g.Name)); diff != "" {
			t.Errorf("bootindex on QEMU's command line (-want +got):\n%s", diff)
		}
		awaitConsole(t, g, tenant, since)
		checkOnlyTenantAnswered(t, tenant, since)
		if n := neighbour.Asked(since); n > 0 {
			t.Errorf("the first interface's network was asked %d times:\n%s", n, told(since, neighbour))
		}

		first := dumpxml(t, l, g.Name).Devices.Interfaces[0]
		run(t, l, "ebtables", "-t", "nat", "-I", "PREROUTING", "-i", first.Target.Dev, "-j", "DROP")
		checkCause(t, l, g.Name, "nothing")
		checkPage(t, l, first.MAC.Address+": "+first.Target.Dev+" in ", "; not in the boot order", g.Name)
	})
}

// openTenant makes a tenant's network, with the servers as they are shipped.
func openTenant(t *testing.T, l *lab.Lab, tenant *network.Tenant) *network.Tenant {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("in the network of %s:\n%s", tenant.Bridge, told(time.Time{}, tenant))
		}
		if err := tenant.Close(); err != nil {
			t.Error(err)
		}
	})
	must(t, tenant.Open(t.Context(), l))
	return tenant
}

func storyGuest(t *testing.T, l *lab.Lab, document string) *lab.Guest {
	t.Helper()
	g, err := l.Prepare(t.Context(), document)
	must(t, err)
	return g
}

// edit replaces a text that must be there.
func edit(t *testing.T, document, from, to string) string {
	t.Helper()
	edited := strings.Replace(document, from, to, 1)
	if edited == document {
		t.Fatalf("there is no %s in\n%s", from, document)
	}
	return edited
}

// awaitGuest calls check until it returns nil; after guestTime the test fails.
func awaitGuest(t *testing.T, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), guestTime)
	defer cancel()
	if err := lab.Await(ctx, check); err != nil {
		t.Fatal(err)
	}
}

// awaitConsole waits until any kernel writes to the guest's console.
func awaitConsole(t *testing.T, g *lab.Guest, tenant *network.Tenant, since time.Time) {
	t.Helper()
	awaitGuest(t, func() error {
		console, err := os.ReadFile(g.Domain.Devices.Serials[0].Source.File.Path)
		if err == nil && !strings.Contains(string(console), lab.KernelSays) {
			err = fmt.Errorf("no kernel has written to the console of %s:\n%s", g.Name, told(since, tenant))
		}
		return err
	})
}

// checkOnlyTenantAnswered checks that iPXE asked, that only the tenant's server
// answered, and that OpenStack's received the request and ignored it.
func checkOnlyTenantAnswered(t *testing.T, tenant *network.Tenant, since time.Time) {
	t.Helper()
	asked, answered := 0, 0
	for _, e := range tenant.Capture.Events() {
		switch {
		case e.Time.Before(since):
		case e.FromIPXE():
			asked++
		case e.Kind != timeline.Offer && e.Kind != timeline.ACK && e.Kind != timeline.NAK:
		case e.Server.String() == network.TenantServer:
			answered++
		default:
			t.Errorf("on %s: %s", tenant.Bridge, e.Text)
		}
	}
	if asked == 0 || answered == 0 {
		t.Errorf("iPXE asked %d times and was answered %d times", asked, answered)
	}
	if log := logSince(tenant.OpenStack, since); !strings.Contains(log, network.MAC+" ignored") || strings.Contains(log, "DHCPOFFER") {
		t.Errorf("OpenStack's server has not heard, or not ignored, iPXE:\n%s", log)
	}
	if log := logSince(tenant.DHCP, since); !strings.Contains(log, "to "+network.MAC) {
		t.Errorf("the tenant's server has not answered:\n%s", log)
	}
}

// fetched are the paths that the tenant's web server was asked for, and had.
func fetched(tenant *network.Tenant, since time.Time) []string {
	var paths []string
	for line := range strings.Lines(logSince(tenant.Web, since)) {
		if _, get, ok := strings.Cut(line, `"GET `); ok && strings.Contains(get, `" 200 `) {
			path, _, _ := strings.Cut(get, " ")
			plain, err := url.PathUnescape(path) // iPXE's versions differ in what they escape
			if err != nil {
				plain = path
			}
			paths = append(paths, plain)
		}
	}
	return paths
}

func logSince(s *network.Server, since time.Time) string {
	var log strings.Builder
	for _, line := range s.Lines() {
		if !line.At.Before(since) {
			log.WriteString(line.Text + "\n")
		}
	}
	return log.String()
}

func told(since time.Time, tenants ...*network.Tenant) string {
	var text strings.Builder
	entries := network.Timeline(since, tenants...)
	if len(entries) > 0 && since.IsZero() {
		since = entries[0].At
	}
	_ = network.Print(&text, since, entries) // a Builder takes it all
	return text.String()
}
