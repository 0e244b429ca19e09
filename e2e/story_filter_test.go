package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/e2e/network"
	"github.com/virt-netboot/virt-netboot/packaging/nwfilter"
)

const relaxedConfig = storyConfig + "rules: [{name: relaxed, filterref: \"replace:" + nwfilter.Relaxed + "\"}]\n"

// novaParams are all that Nova writes into <filterref> with
// allow_same_net_traffic, which is its default.
const novaParams = `<parameter name="PROJNET" value="` + novaSubnet + `"/>
        <parameter name="PROJMASK" value="` + novaMask + `"/>`

// TestStoryRelaxed boots an instance from its tenant's server where both have the
// filter that is shipped, which the agent defines. With nova-base on both, or on the
// server's port alone, it is the disk that boots; and explain is right each time.
func TestStoryRelaxed(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true, Config: storyConfig + "rules: [{name: kept, filterref: keep}]\n"}, func(t *testing.T, l *lab.Lab) {
		tenant := openTenant(t, l, network.First())
		startAgent(t, l)
		g := storyGuest(t, l, edit(t, network.Instance, `<parameter name="DHCPSERVER"`, novaParams+"\n        "+`<parameter name="DHCPSERVER"`))

		filterServer(t, l, "nova-base")
		since := time.Now()
		virshGateway(t, l, "create", g.File)
		awaitScreen(t, l, g.Name, "Booting from Hard Disk")
		if got := fetched(tenant, since); tenant.Asked(since) == 0 || len(got) > 0 {
			t.Errorf("with nova-base it asked %d times and fetched %v: this test tests nothing", tenant.Asked(since), got)
		}
		explained := func(want string) {
			t.Helper()
			checkCause(t, l, g.Name, want, "--server", network.TenantServer+"/24")
		}
		explained("nwfilter")
		virsh(t, l, "destroy", g.Name)

		must(t, l.WriteConfig(relaxedConfig))
		virshGateway(t, l, "define", g.File)
		await(t, func() error {
			if got := filters(dumpxml(t, l, g.Name, "--inactive")); !slices.Equal(got, []string{nwfilter.Relaxed}) {
				return fmt.Errorf("the instance has filters %v", got)
			}
			return nil
		})
		virshGateway(t, l, "start", g.Name)
		awaitScreen(t, l, g.Name, "Booting from Hard Disk")
		explained("nothing") // at its own port: the server's has nova-base still
		virsh(t, l, "destroy", g.Name)

		virsh(t, l, "nwfilter-binding-delete", serverPort)
		filterServer(t, l, nwfilter.Relaxed)
		since = time.Now()
		virshGateway(t, l, "start", g.Name)
		awaitConsole(t, g, tenant, since)
		checkOnlyTenantAnswered(t, tenant, since)
		explained("nothing")
		rules := run(t, l, "ebtables", "-t", "nat", "-L", "libvirt-I-"+dumpxml(t, l, g.Name).Devices.Interfaces[0].Target.Dev)
		if !strings.Contains(rules, novaSubnet) {
			t.Errorf("the parameters have not come to libvirt's rules:\n%s", rules)
		}
		wantFindings(t, l, findings{})
	})
}

// serverPort is the port of the tenant's server.
const serverPort = "taptenant"

// filterServer filters it as an instance to which OpenStack gave another address than
// it serves from.
func filterServer(t *testing.T, l *lab.Lab, filter string) {
	t.Helper()
	mac := run(t, l, "ip", "netns", "exec", "tenant", "cat", "/sys/class/net/eth0/address")
	bindFilter(t, l, serverPort, strings.TrimSpace(mac), filter,
		filterParams{"IP": "10.1.0.2", "DHCPSERVER": novaServer, "PROJNET": novaSubnet, "PROJMASK": novaMask})
}

// TestFilterMissing names an nwfilter that libvirt lacks: the guest keeps the one that
// it has, and starts. Once libvirt has it, the running guest gets it.
func TestFilterMissing(t *testing.T) {
	const missing = "the-operators-own"
	config := "rules: [{name: strict, filterref: \"replace:" + missing + "\"}]\n"
	lab.Run(t, lab.Options{Hook: true, Config: config}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		g := novaGuest(t, l, "image-raw-filterref")
		before := g.Domain.Devices.Interfaces[0].FilterRef.Filter
		virshGateway(t, l, "define", g.File)
		virshGateway(t, l, "start", "--paused", g.Name)
		if got := filters(dumpxml(t, l, g.Name)); !slices.Equal(got, []string{before}) {
			t.Errorf("the guest has filters %v, want %s", got, before)
		}
		awaitMessages(t, l, 1, "libvirt has no nwfilter "+missing, "WARNING=filter-missing", "OPERATION=prepare")
		if out, err := l.VirtNetboot(t.Context(), "apply", g.Name); err != nil || !strings.Contains(out, "nothing to change") {
			t.Errorf("virt-netboot apply: %v\n%s", err, out)
		}
		wantFindings(t, l, findings{"nwfilter": "failure", "boot": "warning"})

		must(t, l.DefineFilter(t.Context(), missing))
		await(t, func() error {
			if got := filters(dumpxml(t, l, g.Name)); !slices.Equal(got, []string{missing}) {
				return fmt.Errorf("the running guest has filters %v, want %s", got, missing)
			}
			return nil
		})
		wantFindings(t, l, findings{})
	})
}
