package e2e

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// proxyDnsmasq is dnsmasq as a proxyDHCP server for a network whose addresses another
// server gives.
const proxyDnsmasq = `port=0
dhcp-range=10.1.0.0,proxy
dhcp-userclass=set:ipxe,iPXE
pxe-service=tag:!ipxe,x86PC,"network boot",undionly
pxe-service=tag:ipxe,x86PC,"network boot",http://10.1.0.9/boot.ipxe
`

// libvirtNetwork is a network of libvirt's whose dnsmasq serves iPXE by itself.
const libvirtNetwork = `<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>boots</name>
  <bridge name='virbr7'/>
  <ip address='10.7.0.1' netmask='255.255.255.0'>
    <dhcp><range start='10.7.0.10' end='10.7.0.99'/></dhcp>
  </ip>
  <dnsmasq:options>%s</dnsmasq:options>
</network>
`

// TestProbeProxyDHCP: a server that gives the address and a proxyDHCP server that names
// what to boot are one answer, with a real dnsmasq as each.
func TestProbeProxyDHCP(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		addNovaBridge(t, l)
		addMachine(t, l, "proxy", novaBridge, "eth0", "10.1.0.9")
		startTenantDnsmasq(t, "proxy", proxyDnsmasq)

		t.Run("no server gives an address", func(t *testing.T) {
			wantProbe(t, novaBridge, 1,
				"no-answer: the proxyDHCP server 10.1.0.9 names what to boot, but no server gives iPXE an address: an instance boots from its disk")
		})
		t.Run("without OpenStack", func(t *testing.T) {
			startServer(t, "", "DHCP, IP range", "dnsmasq", "--keep-in-foreground", "--log-facility=-", "--conf-file=/dev/null", "--port=0",
				"--interface="+novaBridge, "--bind-interfaces", "--dhcp-range=10.1.0.10,10.1.0.99", "--leasefile-ro", "--no-ping")
			wantProbe(t, novaBridge, 0,
				"right: the server 10.1.0.1 gives iPXE its address and the proxyDHCP server 10.1.0.9 what to boot, 10.1.0.1 answers ordinary clients")
		})
		t.Run("with OpenStack", func(t *testing.T) {
			startNova(t, l, "", hostsText)
			wantProbe(t, novaBridge, 0,
				"right: OpenStack's server 10.1.0.1 gives iPXE its address and the proxyDHCP server 10.1.0.9 what to boot, only OpenStack's 10.1.0.1 answers ordinary clients",
				"--mac", vmMAC)
		})
	})
}

// TestProbeLibvirtNetwork: on a node without OpenStack the dnsmasq of a libvirt network
// may answer everybody, if it names what to boot.
func TestProbeLibvirtNetwork(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		for _, c := range []struct {
			name, options string
			status        int
			finding       string
		}{
			{
				"serves PXE", "<dnsmasq:option value='dhcp-userclass=set:ipxe,iPXE'/>" +
					"<dnsmasq:option value='dhcp-boot=tag:!ipxe,ipxe.efi'/>" +
					"<dnsmasq:option value='dhcp-boot=tag:ipxe,http://10.7.0.1:8080/next'/>",
				0, "right: only the server 10.7.0.1 answers iPXE, 10.7.0.1 answers ordinary clients",
			},
			{
				"as installed", "", 1,
				"no-boot-file: the server 10.7.0.1 answers iPXE without a boot file: an instance takes its address, and then boots from its disk",
			},
		} {
			t.Run(c.name, func(t *testing.T) {
				virsh(t, l, "net-create", writeFile(t, "network.xml", fmt.Sprintf(libvirtNetwork, c.options)))
				wantProbe(t, "virbr7", c.status, c.finding)
				virsh(t, l, "net-destroy", "boots")
			})
		}
	})
}

// wantProbe asks on a bridge and wants one finding.
func wantProbe(t *testing.T, bridge string, status int, finding string, args ...string) {
	t.Helper()
	got, stdout, stderr := runProbe(t, probeProgram(append([]string{"--bridge", bridge, "--json"}, args...)...))
	if got != status {
		t.Errorf("exit status %d, want %d: %s", got, status, stderr)
	}
	var findings []string
	for _, f := range report(t, stdout).Findings {
		findings = append(findings, fmt.Sprintf("%s: %s", f.Verdict, f.Text))
	}
	if diff := cmp.Diff([]string{finding}, findings); diff != "" {
		t.Errorf("-want +got:\n%s%s", diff, stdout)
	}
}
