package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestExplain asks why an instance does not boot from the network, from the first cause
// to the last one: each is taken away by what it says.
func TestExplain(t *testing.T) {
	lab.Run(t, lab.Options{Config: "rules: [{filterref: keep}]\n"}, func(t *testing.T, l *lab.Lab) {
		root, err := lab.Root()
		must(t, err)
		g := novaGuest(t, l, "image-raw-filterref")
		virsh(t, l, "define", g.File)
		checkCause(t, l, g.Name, "not-in-sync")
		virtNetboot(t, l, "apply", g.Name)
		checkCause(t, l, g.Name, "not-running")
		virsh(t, l, "start", "--paused", g.Name)
		nic := dumpxml(t, l, g.Name).Devices.Interfaces[0]
		checkCause(t, l, g.Name, "nothing") // its nwfilter has one rule, which lets all pass

		ebtables := run(t, l, "ebtables-save")
		run(t, l, "ebtables", "-t", "nat", "-I", "libvirt-I-"+nic.Target.Dev, "-p", "ARP", "--arp-ip-src", "192.0.2.2", "-j", "DROP")
		checkCause(t, l, g.Name, "nwfilter")
		run(t, l, "ebtables", "-t", "nat", "-D", "libvirt-I-"+nic.Target.Dev, "-p", "ARP", "--arp-ip-src", "192.0.2.2", "-j", "DROP")
		if diff := cmp.Diff(stripComments(ebtables), stripComments(run(t, l, "ebtables-save"))); diff != "" {
			t.Fatalf("rules (-before +after):\n%s", diff)
		}

		run(t, l, filepath.Join(root, "e2e/testdata/neutron-rules.sh"), "on", nic.Target.Dev, nic.MAC.Address, ownAddress)
		checkCause(t, l, g.Name, "port-security")
		out, err := l.VirtNetboot(t.Context(), "explain", "--server", "10.77.0.1/24", g.Name)
		if err == nil || !strings.Contains(out, "openstack port set") || !strings.Contains(out, "10.77.0.2") {
			t.Errorf("virt-netboot explain: %v\n%s", err, out)
		}
	})
}

// TestExplainHistory: the page has how the domain came in, and the boot orders of its
// definition and of its guest.
func TestExplainHistory(t *testing.T) {
	lab.Run(t, lab.Options{Config: "rules: [{name: other, match: {bridge: [none]}}, {}]\n"}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		g := novaGuest(t, l, "image-raw-filterref")
		virshGateway(t, l, "define", g.File)
		virsh(t, l, "start", "--paused", g.Name)
		out := virtNetboot(t, l, "explain", g.Name)
		words := strings.Join(strings.Fields(out), " ")
		for _, want := range []string{
			"not rule other: its match by bridge does not fit",
			"definition boot order network, hd; firmware BIOS; ",
			"running guest boot order network, hd; firmware BIOS; ",
			"domain " + g.Name + " rewritten on its way to libvirt: ",
			"option ROM default",
		} {
			if !strings.Contains(words, want) {
				t.Errorf("virt-netboot explain lacks %q:\n%s", want, out)
			}
		}
	})
}

// A port of Neutron's, and an instance with it in a bridge. Of its interface is what Nova
// writes for that bridge.
const (
	explainedPort    = "5f3cd2a1-0b7e-4a52-9f59-4f2f7f3a1c11"
	explainedTap     = "tap5f3cd2a1-0b"
	explainedMAC     = "fa:16:3e:00:00:05"
	explainedAddress = "10.1.0.5"
	bootScript       = "http://10.20.0.77/boot.ipxe"
)

func startExplained(t *testing.T, l *lab.Lab, bridge, more string) (name string) {
	t.Helper()
	name = "explained"
	virsh(t, l, "define", writeFile(t, "explained.xml", fmt.Sprintf(`<domain type='qemu'>
  <name>%s</name>
  <memory unit='MiB'>64</memory>
  <metadata>
    <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
      <nova:ports><nova:port uuid="%s"><nova:ip type="fixed" address="%s" ipVersion="4"/></nova:port></nova:ports>
    </nova:instance>
  </metadata>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='network'/><boot dev='hd'/></os>
  <devices><interface type='bridge'><source bridge='%s'/><mac address='%s'/><target dev='%s'/><model type='virtio'/>%s</interface></devices>
</domain>`, name, explainedPort, explainedAddress, bridge, explainedMAC, explainedTap, more)))
	virsh(t, l, "start", "--paused", name)
	return name
}

// TestExplainOVN asks about an instance at a port of a real OVN.
func TestExplainOVN(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true, Config: "rules: [{}]\n"}, func(t *testing.T, l *lab.Lab) {
		startOVN(t, l, "dhcp", "sec")
		addresses := explainedMAC + " " + explainedAddress
		ovn(t, l, "lsp-add", "net", explainedPort, "--", "lsp-set-addresses", explainedPort, addresses, "--",
			"lsp-set-port-security", explainedPort, addresses, "--", "lsp-set-dhcpv4-options", explainedPort, ovnOptions(t, l))
		startAgent(t, l)
		name := startExplained(t, l, "br-int", "<virtualport type='openvswitch'><parameters interfaceid='"+explainedPort+"'/></virtualport>")
		ovn(t, l, "sync")

		checkCause(t, l, name, "ovn-dhcp")
		checkPage(t, l, "OVN answers its DHCP with 10.1.0.5 and no boot file",
			"name=bootfile-name,value=URL "+explainedPort+", or openstack subnet set --no-dhcp", name)
		checkCounted(t, l, "1 of 1 running domains: ovn-dhcp")

		setOVNOptions(t, l, `bootfile_name="`+bootScript+`"`)
		checkCause(t, l, name, "nothing")
		checkPage(t, l, "OVN answers its DHCP with 10.1.0.5 and the boot file "+bootScript, "OpenStack's own DHCP names its boot file", name)
		checkCounted(t, l, "nothing is found that keeps one of 1 running domains")
		checkPage(t, l, "ovn-dhcp: OVN answers", "name=dhcp_disabled,value=true "+explainedPort, "--server", "10.77.0.1/24", name)

		ovn(t, l, "lsp-set-dhcpv4-options", explainedPort)
		checkCause(t, l, name, "port-security")
	})
}

// TestExplainBootFile: a dnsmasq as Neutron's DHCP agent starts it names the boot file of
// an instance that has port security on.
func TestExplainBootFile(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true, Config: "rules: [{}]\n"}, func(t *testing.T, l *lab.Lab) {
		root, err := lab.Root()
		must(t, err)
		must(t, l.AddBridge(t.Context(), "brq1b5c0e5e-2f"))
		startAgent(t, l)
		name := startExplained(t, l, "brq1b5c0e5e-2f", "")
		run(t, l, filepath.Join(root, "e2e/testdata/neutron-rules.sh"), "on", explainedTap, explainedMAC, explainedAddress)
		checkCause(t, l, name, "port-security")

		stop := startNeutronDnsmasq(t, "brq1b5c0e5e-2f", ignoreIPXE)
		checkCause(t, l, name, "ignores-ipxe")
		checkPage(t, l, "boot file "+bootScript+", but neutron-dhcp-agent's dnsmasq (pid ", "remove dhcp-ignore from /etc/neutron/dnsmasq.conf", name)
		checkCounted(t, l, "1 of 1 running domains: ignores-ipxe")
		checkPage(t, l, "port-security: ", "openstack port set", "--server", "10.77.0.1/24", name)
		stop()

		startNeutronDnsmasq(t, "brq1b5c0e5e-2f", "log-dhcp\n")
		checkCause(t, l, name, "nothing")
		checkPage(t, l, "OpenStack's DHCP names the boot file "+bootScript, "virt-netboot probe --bridge brq1b5c0e5e-2f", name)
		checkCounted(t, l, "nothing is found that keeps one of 1 running domains")
	})
}

func startNeutronDnsmasq(t *testing.T, bridge, conf string) (stop func()) {
	t.Helper()
	const dir = "/var/lib/neutron/dhcp/1b5c0e5e-2f77-4c0c-9d5c-6f8c3c1c2006/"
	put(t, "/etc/neutron/dnsmasq.conf", conf)
	put(t, dir+"opts", "tag:port-"+explainedPort+",option:bootfile-name,"+bootScript+"\n")
	_ = os.Remove(dir + "pid") // of one before
	stop = startProgram(t, "dnsmasq", "--keep-in-foreground", "--no-hosts", "--no-resolv", "--bind-interfaces", "--interface="+bridge,
		"--pid-file="+dir+"pid", "--dhcp-optsfile="+dir+"opts", "--dhcp-match=set:ipxe,175", "--dhcp-userclass=set:ipxe6,iPXE",
		"--dhcp-range=set:subnet-e91d180c,10.1.0.0,static,255.255.255.0,86400s", "--conf-file=/etc/neutron/dnsmasq.conf")
	await(t, func() error {
		_, err := os.Stat(dir + "pid")
		return err
	})
	return stop
}

// checkPage looks for two texts in what explain says.
func checkPage(t *testing.T, l *lab.Lab, one, two string, args ...string) {
	t.Helper()
	out, _ := l.VirtNetboot(t.Context(), append([]string{"explain"}, args...)...)
	if !strings.Contains(out, one) || !strings.Contains(out, two) {
		t.Errorf("virt-netboot explain %s lacks %q or %q:\n%s", strings.Join(args, " "), one, two, out)
	}
}

// checkCounted looks for what doctor's check boot is to find.
func checkCounted(t *testing.T, l *lab.Lab, want string) {
	t.Helper()
	await(t, func() error { // until the agent has seen the guest start
		out, _ := l.VirtNetboot(t.Context(), "doctor", "--json")
		var results []struct{ Check, Found string }
		if err := json.Unmarshal([]byte(out), &results); err != nil {
			return err
		}
		var found []string
		for _, r := range results {
			if r.Check == "boot" {
				found = append(found, r.Found)
			}
		}
		if len(found) != 1 || !strings.HasPrefix(found[0], want) {
			return fmt.Errorf("doctor's check boot finds %q, want %q", found, want)
		}
		return nil
	})
}

func checkCause(t *testing.T, l *lab.Lab, domain, want string, args ...string) {
	t.Helper()
	out, err := l.VirtNetboot(t.Context(), append([]string{"explain", "--json", domain}, args...)...)
	var e struct {
		Cause struct{ Kind, Text, Do string }
	}
	must(t, json.Unmarshal([]byte(out), &e))
	if e.Cause.Kind != want || (err == nil) != (want == "nothing") {
		t.Errorf("explain %s: %+v, %v; want %s", domain, e.Cause, err, want)
	}
	t.Log(fmt.Sprint(e.Cause))
}

func stripComments(dump string) string {
	var kept []string
	for line := range strings.Lines(dump) {
		if !strings.HasPrefix(line, "#") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
