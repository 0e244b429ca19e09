package e2e

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/internal/probe"
)

// unprivileged runs a command as a user without any right but the capabilities given.
func unprivileged(capabilities string, command []string) []string {
	return append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
		"--inh-caps=-all" + capabilities, "--ambient-caps=-all" + capabilities, "--bounding-set=-all" + capabilities}, command...)
}

// TestProbeNeutron: Neutron's server is known by the addresses of its namespace,
// and an instance by its hosts file, to a probe with two capabilities and no other
// right.
func TestProbeNeutron(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		bridge := "brq" + strings.TrimPrefix(neutronNamespace, "qdhcp-")[:11]
		if err := l.AddBridge(t.Context(), bridge); err != nil {
			t.Fatal(err)
		}
		hosts := filepath.Join("/var/lib/neutron/dhcp", strings.TrimPrefix(neutronNamespace, "qdhcp-"), "host")
		makeDir(t, filepath.Dir(hosts))
		writeIn(t, filepath.Dir(hosts), "host", vmMAC+",host-10-1-0-3.openstacklocal,"+vmAddress+"\n")
		startNeutronAt(t, l, bridge, "", hosts)
		writeIn(t, "/run/netns", "qdhcp-gone", "") // as ip netns leaves one behind
		addMachine(t, l, "tenant", bridge, "eth0", tenantServer)
		startTenantDhcpd(t, "tenant", shipped(t, "tenant/dhcpd.conf"))

		command := probeProgram(answerArgs(bridge, "--json")...)
		status, stdout, stderr := runProbe(t, unprivileged(",+net_admin,+net_raw", command))
		if status != 1 {
			t.Errorf("exit status %d: %s", status, stderr)
		}
		want := []string{
			"ipxe OWN 10.77.0.1 tenant 10.77.0.0/24 http://10.77.0.1/bios.ipxe",
			"ipxe VM 10.1.0.2 OpenStack 10.1.0.0/24",
			"ipxe VM 10.77.0.1 tenant 10.77.0.0/24 http://10.77.0.1/bios.ipxe",
			"ordinary VM 10.1.0.2 OpenStack 10.1.0.0/24",
		}
		if diff := cmp.Diff(want, answersOf(report(t, stdout))); diff != "" {
			t.Errorf("-want +got:\n%s%s", diff, stderr)
		}

		t.Run("by the namespace alone", func(t *testing.T) {
			// Another instance's address than the hosts file has for it.
			other := writeIn(t, serverDir(t), "hosts", vmMAC+",vm1,10.1.0.99\n")
			_, stdout, stderr := runProbe(t, unprivileged(",+net_admin,+net_raw", append(command, "--hostsfile", other)))
			if diff := cmp.Diff(want, answersOf(report(t, stdout))); diff != "" {
				t.Errorf("-want +got:\n%s%s", diff, stderr)
			}
		})
		for missing, has := range map[string]string{"CAP_NET_ADMIN": ",+net_raw", "CAP_NET_RAW": ",+net_admin"} {
			status, _, stderr := runProbe(t, unprivileged(has, command))
			if status != 2 || !strings.Contains(stderr, "the probe lacks "+missing+" ") || !strings.Contains(stderr, "setcap") {
				t.Errorf("without %s: exit status %d, %s", missing, status, stderr)
			}
		}
		noPortsLeft(t, l)
	})
}

func report(t *testing.T, stdout string) probe.Report {
	t.Helper()
	var r probe.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	return r
}
