package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/internal/probe"
)

const (
	// novaHosts is where nova-network keeps the hosts of the bridge.
	novaHosts = "/var/lib/nova/networks/nova-" + novaBridge + ".conf"
	vmMAC     = "fa:16:3e:50:43:cd"
	vmAddress = "10.1.0.3"
	hostsText = vmMAC + ",vm1.novalocal," + vmAddress + "\n"
)

// probeProgram is the command line of a probe.
func probeProgram(args ...string) []string {
	return append([]string{filepath.Join(os.Getenv("VIRT_NETBOOT_BIN"), "virt-netboot"), "probe"}, args...)
}

// runProbe runs a command and returns its exit status and what it wrote.
func runProbe(t *testing.T, command []string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// TestProbeVerdicts causes each verdict with real servers.
func TestProbeVerdicts(t *testing.T) {
	const novaConf, dhcpdConf = "openstack/nova-dnsmasq.conf", "tenant/dhcpd.conf"
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		addNovaBridge(t, l)
		makeDir(t, "/etc/nova") // it is a node of OpenStack's
		openStackTo := func(conf string) func(*testing.T) {
			return func(t *testing.T) { startNova(t, l, conf, hostsText) }
		}
		tenantRuns := func(start startTenant, conf string) func(*testing.T) {
			return func(t *testing.T) {
				addMachine(t, l, "tenant", novaBridge, "eth0", tenantServer)
				start(t, "tenant", conf)
			}
		}
		inNovasSubnet := func(t *testing.T) {
			addMachine(t, l, "tenant", novaBridge, "eth0", "10.1.0.200")
			conf := strings.ReplaceAll(shipped(t, dhcpdConf), "10.77.0.", "10.1.0.")
			startTenantDhcpd(t, "tenant", strings.ReplaceAll(conf, "range 10.1.0.100 10.1.0.199", "range 10.1.0.77 10.1.0.77"))
		}
		for _, tc := range []struct {
			name     string
			servers  []func(*testing.T)
			hosts    string // of nova-network's hosts file; none when empty
			args     []string
			status   int
			findings []string // verdict and text
			answers  []string
		}{
			{
				name:    "right, with ISC dhcpd",
				servers: []func(*testing.T){openStackTo(shipped(t, novaConf)), tenantRuns(startTenantDhcpd, shipped(t, dhcpdConf))},
				hosts:   hostsText,
				findings: []string{
					"right: only the tenant's server 10.77.0.1 answers iPXE, only OpenStack's 10.1.0.1 answers ordinary clients",
				},
				answers: []string{
					"ipxe OWN 10.77.0.1 tenant 10.77.0.0/24 http://10.77.0.1/bios.ipxe",
					"ipxe VM 10.77.0.1 tenant 10.77.0.0/24 http://10.77.0.1/bios.ipxe",
					"ordinary VM 10.1.0.1 OpenStack 10.1.0.0/24",
				},
			},
			{
				name:    "right, with Kea, as UEFI",
				servers: []func(*testing.T){openStackTo(shipped(t, novaConf)), tenantRuns(startTenantKea, shipped(t, "tenant/kea-dhcp4.conf"))},
				args:    []string{"--mac", vmMAC, "--uefi"},
				findings: []string{
					"right: only the tenant's server 10.77.0.1 answers iPXE, only OpenStack's 10.1.0.1 answers ordinary clients",
				},
				answers: []string{
					"ipxe OWN 10.77.0.1 tenant 10.77.0.0/24 http://10.77.0.1/x64.ipxe",
					"ipxe VM 10.77.0.1 tenant 10.77.0.0/24 http://10.77.0.1/x64.ipxe",
					"ordinary VM 10.1.0.1 OpenStack 10.1.0.0/24",
				},
			},
			{
				name:    "right, without OpenStack",
				servers: []func(*testing.T){tenantRuns(startTenantDnsmasq, shipped(t, "tenant/dnsmasq.conf"))},
				args:    []string{"--openstack-server", "none"},
				findings: []string{
					"right: only the server 10.77.0.1 answers iPXE, no server answers ordinary clients",
				},
				answers: []string{"ipxe OWN 10.77.0.1 tenant 10.77.0.0/24 http://10.77.0.1/bios.ipxe"},
			},
			{
				name: "right, though the tenant's takes longer than others", // and still less than iPXE waits
				servers: []func(*testing.T){openStackTo(shipped(t, novaConf)), tenantRuns(startTenantDnsmasq,
					shipped(t, "tenant/dnsmasq.conf")+"dhcp-reply-delay=6\n")},
				hosts: hostsText,
				args:  []string{"--timeout", probe.Patience.String()},
				findings: []string{
					"right: only the tenant's server 10.77.0.1 answers iPXE, only OpenStack's 10.1.0.1 answers ordinary clients",
				},
				answers: []string{ // one, since dnsmasq delays each after the other
					"ipxe OWN 10.77.0.1 tenant 10.77.0.0/24 http://10.77.0.1/bios.ipxe",
					"ordinary VM 10.1.0.1 OpenStack 10.1.0.0/24",
				},
			},
			{
				name:    "race",
				servers: []func(*testing.T){openStackTo(""), tenantRuns(startTenantKea, shipped(t, "tenant/kea-dhcp4.conf"))},
				hosts:   hostsText,
				status:  1,
				findings: []string{
					"race: both the tenant's server 10.77.0.1 and OpenStack's 10.1.0.1 answer iPXE: an instance boots from whichever is faster",
				},
				answers: []string{
					"ipxe OWN 10.77.0.1 tenant 10.77.0.0/24 http://10.77.0.1/bios.ipxe",
					"ipxe VM 10.1.0.1 OpenStack 10.1.0.0/24",
					"ipxe VM 10.77.0.1 tenant 10.77.0.0/24 http://10.77.0.1/bios.ipxe",
					"ordinary VM 10.1.0.1 OpenStack 10.1.0.0/24",
				},
			},
			{
				name:    "OpenStack's only",
				servers: []func(*testing.T){openStackTo("")},
				hosts:   hostsText,
				status:  1,
				findings: []string{
					"openstack-only: only OpenStack's server 10.1.0.1 answers iPXE: an instance takes an address that leads to no boot file, and boots from its disk",
				},
				answers: []string{"ipxe VM 10.1.0.1 OpenStack 10.1.0.0/24", "ordinary VM 10.1.0.1 OpenStack 10.1.0.0/24"},
			},
			{
				name:    "no answer",
				servers: []func(*testing.T){openStackTo(shipped(t, novaConf))},
				hosts:   hostsText,
				status:  1,
				findings: []string{
					"no-answer: no server answers iPXE: an instance waits for an address until iPXE gives up, and then boots from its disk",
				},
				answers: []string{"ordinary VM 10.1.0.1 OpenStack 10.1.0.0/24"},
			},
			{
				name: "the tenant's names no boot file",
				servers: []func(*testing.T){openStackTo(shipped(t, novaConf)), tenantRuns(startTenantDnsmasq,
					without(t, shipped(t, "tenant/dnsmasq.conf"), "dhcp-boot="))},
				hosts:  hostsText,
				status: 1,
				findings: []string{
					"no-boot-file: the tenant's server 10.77.0.1 answers iPXE without a boot file: an instance takes its address, and then boots from its disk",
				},
				answers: []string{
					"ipxe OWN 10.77.0.1 tenant 10.77.0.0/24",
					"ipxe VM 10.77.0.1 tenant 10.77.0.0/24",
					"ordinary VM 10.1.0.1 OpenStack 10.1.0.0/24",
				},
			},
			{
				name: "the tenant's answers ordinary clients",
				servers: []func(*testing.T){openStackTo(shipped(t, novaConf)), tenantRuns(startTenantDnsmasq,
					without(t, shipped(t, "tenant/dnsmasq.conf"), "dhcp-ignore="))},
				hosts:  hostsText,
				status: 1,
				findings: []string{
					"answers-ordinary: the tenant's server 10.77.0.1 answers ordinary clients: an instance that has booted may get an address that OpenStack does not know",
				},
				answers: []string{
					"ipxe OWN 10.77.0.1 tenant 10.77.0.0/24 http://10.77.0.1/bios.ipxe",
					"ipxe VM 10.77.0.1 tenant 10.77.0.0/24 http://10.77.0.1/bios.ipxe",
					"ordinary OWN 10.77.0.1 tenant 10.77.0.0/24",
					"ordinary VM 10.1.0.1 OpenStack 10.1.0.0/24",
					"ordinary VM 10.77.0.1 tenant 10.77.0.0/24",
				},
			},
			{
				name:    "one subnet",
				servers: []func(*testing.T){openStackTo(shipped(t, novaConf)), inNovasSubnet},
				args:    []string{"--mac", vmMAC},
				status:  1,
				findings: []string{
					"one-subnet: the tenant's server 10.1.0.200 and OpenStack's 10.1.0.1 both give addresses of 10.1.0.0/24: two instances may get the same",
				},
				answers: []string{
					"ipxe OWN 10.1.0.200 tenant 10.1.0.0/24 http://10.1.0.1/bios.ipxe",
					"ordinary VM 10.1.0.1 OpenStack 10.1.0.0/24",
				},
			},
			{
				name:    "one subnet, an address that is taken",
				servers: []func(*testing.T){openStackTo(shipped(t, novaConf)), inNovasSubnet},
				hosts:   hostsText + "fa:16:3e:00:00:77,vm77.novalocal,10.1.0.77\n",
				status:  1,
				findings: []string{
					"one-subnet: the tenant's server 10.1.0.200 offers 10.1.0.77, which " + novaHosts + " gives to vm77.novalocal (fa:16:3e:00:00:77, 10.1.0.77)",
				},
				answers: []string{
					"ipxe OWN 10.1.0.200 tenant 10.1.0.0/24 http://10.1.0.1/bios.ipxe",
					"ordinary VM 10.1.0.1 OpenStack 10.1.0.0/24",
				},
			},
			{
				name:    "unknown: OpenStack's would race, but does not know the probe",
				servers: []func(*testing.T){openStackTo(""), tenantRuns(startTenantDnsmasq, shipped(t, "tenant/dnsmasq.conf"))},
				status:  2,
				findings: []string{
					"unknown: the tenant's server 10.77.0.1 alone answers iPXE, but no server of OpenStack's answered the ordinary request: dnsmasq run by Nova or Neutron answers only the MAC addresses that it knows, so its silence towards iPXE proves nothing",
				},
				answers: []string{"ipxe OWN 10.77.0.1 tenant 10.77.0.0/24 http://10.77.0.1/bios.ipxe"},
			},
		} {
			t.Run(tc.name, func(t *testing.T) {
				for _, start := range tc.servers {
					start(t)
				}
				if tc.hosts != "" {
					makeDir(t, filepath.Dir(novaHosts))
					writeIn(t, filepath.Dir(novaHosts), filepath.Base(novaHosts), tc.hosts)
					defer os.Remove(novaHosts)
				}
				status, stdout, stderr := runProbe(t, probeProgram(append([]string{"--bridge", novaBridge, "--timeout", "2500ms", "--json"}, tc.args...)...))
				if status != tc.status {
					t.Errorf("exit status %d, want %d: %s", status, tc.status, stderr)
				}
				var r probe.Report
				if err := json.Unmarshal([]byte(stdout), &r); err != nil {
					t.Fatalf("%v: %s%s", err, stdout, stderr)
				}
				var findings []string
				for _, f := range r.Findings {
					findings = append(findings, fmt.Sprintf("%s: %s", f.Verdict, f.Text))
				}
				if diff := cmp.Diff(tc.findings, findings); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				if diff := cmp.Diff(tc.answers, answersOf(r)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				noPortsLeft(t, l)
			})
		}
	})
}

// without takes the lines that begin with a text from a configuration.
func without(t *testing.T, conf, prefix string) string {
	t.Helper()
	less := regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(prefix)+`.*\n`).ReplaceAllString(conf, "")
	if less == conf {
		t.Fatalf("no line begins with %s", prefix)
	}
	return less
}

// answersOf are a report's offers in short, in an order that does not depend on
// which server was faster.
func answersOf(r probe.Report) []string {
	var all []string
	seen := make(map[string]bool)
	for _, o := range r.Offers {
		who := "OWN"
		if o.MAC == vmMAC {
			who = "VM"
		}
		whose := "tenant"
		if o.OpenStack {
			whose = "OpenStack"
		}
		line := strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s %s", o.Client, who, o.Server, whose, o.Subnet, o.BootFile))
		if !seen[line] {
			all = append(all, line)
		}
		seen[line] = true
	}
	slices.Sort(all)
	return all
}

// noPortsLeft fails the test where a port of a probe is in the lab.
func noPortsLeft(t *testing.T, l *lab.Lab) {
	t.Helper()
	if ports := probePorts(t, l); len(ports) > 0 {
		t.Errorf("left: %q", ports)
	}
}

// probePorts are the interfaces of all probes, both ends of each.
func probePorts(t *testing.T, l *lab.Lab) []string {
	t.Helper()
	out := run(t, l, "ip", "-o", "link", "show", "type", "veth")
	var names []string
	for _, match := range regexp.MustCompile(`(?m)^\d+: (vnbprobe\w+)@`).FindAllStringSubmatch(out, -1) {
		names = append(names, match[1])
	}
	slices.Sort(names)
	return names
}
