package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/e2e/network"
)

// TestProbeVLAN: only the servers of the VLAN are asked, whether the bridge takes
// the VLANs apart or passes the tags through. A kernel without VLANs is named as
// the cause.
func TestProbeVLAN(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		for _, filters := range []bool{true, false} {
			t.Run(fmt.Sprintf("filters=%v", filters), func(t *testing.T) {
				bridge := fmt.Sprintf("br%v", filters)
				if err := l.AddBridge(t.Context(), bridge); err != nil {
					t.Fatal(err)
				}
				probeInVLAN := probeProgram(answerArgs(bridge, "--vlan", "40", "--openstack-server", "none")...)
				if !kernelHasVLANs(t, l, bridge, filters) {
					status, _, stderr := runProbe(t, probeInVLAN)
					if status != 2 || !strings.Contains(stderr, "joining VLAN 40: this kernel") {
						t.Errorf("exit status %d: %s", status, stderr)
					}
					noPortsLeft(t, l)
					return
				}
				in40, in41 := tenantInVLAN(t, l, bridge, 40, filters), tenantInVLAN(t, l, bridge, 41, filters)
				status, stdout, stderr := runProbe(t, probeInVLAN)
				if status != 0 {
					t.Errorf("exit status %d: %s%s", status, stdout, stderr)
				}
				if !strings.Contains(in40.Log(), "DHCPDISCOVER") || strings.Contains(in41.Log(), "DHCPDISCOVER") {
					t.Errorf("asked in VLAN 40:\n%s\nin VLAN 41:\n%s", in40.Log(), in41.Log())
				}
				noPortsLeft(t, l)
			})
		}
	})
}

// kernelHasVLANs makes a bridge take VLANs apart, if it is to, and reports whether
// the kernel can do that, or has interfaces for VLANs.
func kernelHasVLANs(t *testing.T, l *lab.Lab, bridge string, filters bool) bool {
	t.Helper()
	if _, err := l.Command(t.Context(), "ip", "link", "add", "link", bridge, "name", "vlantest", "type", "vlan", "id", "2"); err != nil {
		return false
	}
	ip(t, l, "link del vlantest")
	if !filters {
		return true
	}
	_, err := l.Command(t.Context(), "ip", "link", "set", bridge, "type", "bridge", "vlan_filtering", "1")
	return err == nil
}

// tenantInVLAN starts a tenant's server in a VLAN of a bridge.
func tenantInVLAN(t *testing.T, l *lab.Lab, bridge string, vlan int, filters bool) *network.Server {
	t.Helper()
	name := fmt.Sprintf("tenant%d", vlan)
	addMachine(t, l, name, bridge, "trunk", "192.0.2.1")
	if filters {
		run(t, l, "bridge", "vlan", "add", "dev", "tap"+name, "vid", fmt.Sprint(vlan))
	}
	ip(t, l, "-n %s link add link trunk name eth0 type vlan id %d", name, vlan)
	ip(t, l, "-n %s addr add %s/24 dev eth0", name, tenantServer)
	ip(t, l, "-n %s link set eth0 up", name)
	return startDhcpd(t, name, writeIn(t, serverDir(t), "leases", ""), shipped(t, "tenant/dhcpd.conf"))
}
