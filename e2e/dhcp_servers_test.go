package e2e

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/e2e/network"
)

// answerTime is enough for every server: dhcpd pings an address for a second.
const answerTime = 2500 * time.Millisecond

// TestDHCPServers runs the files of packaging/dhcp in real servers: each answers exactly
// the clients that it should, with the right boot file.
func TestDHCPServers(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		addNovaBridge(t, l)
		addClients(t, l)
		for _, tc := range []struct {
			name     string
			start    startOpenStack
			server   string
			file     string
			firmware bool
		}{
			{"nova-network of Essex", startNovaEssex, novaServer, "openstack/nova-dnsmasq.conf", false},
			{"nova-network", startNova, novaServer, "openstack/nova-dnsmasq.conf", false},
			{"nova-network, firmware to the tenant", startNova, novaServer, "openstack/nova-dnsmasq.conf", true},
			{"Neutron", startNeutron, neutronServer, "openstack/neutron-dnsmasq.conf", false},
			{"Neutron, firmware to the tenant", startNeutron, neutronServer, "openstack/neutron-dnsmasq.conf", true},
		} {
			t.Run(tc.name, func(t *testing.T) {
				all := dhcpClients(t, tc.server)
				conf := shipped(t, tc.file)
				if tc.firmware {
					conf = withFirmware(t, conf)
				}
				tc.start(t, l, conf, network.HostsFile(all))
				if diff := cmp.Diff(network.OpenStackAnswers(all, tc.firmware), askAll(t, all, answerTime)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
		for _, tc := range []struct {
			name     string
			start    startTenant
			file     string
			firmware bool
			// own is how it answers an ordinary client that wants an address of its
			// own range back: ISC dhcpd always refuses it.
			own string
		}{
			{"dnsmasq", startTenantDnsmasq, "tenant/dnsmasq.conf", false, ""},
			{"dnsmasq, with firmware", startTenantDnsmasq, "tenant/dnsmasq.conf", true, ""},
			{"ISC dhcpd", startTenantDhcpd, "tenant/dhcpd.conf", false, "NAK"},
			{"ISC dhcpd, with firmware", startTenantDhcpd, "tenant/dhcpd.conf", true, "NAK"},
			{"Kea", startTenantKea, "tenant/kea-dhcp4.conf", false, ""},
			{"Kea, with firmware", startTenantKea, "tenant/kea-dhcp4.conf", true, ""},
		} {
			t.Run(tc.name, func(t *testing.T) {
				all := dhcpClients(t, novaServer)
				conf := shipped(t, tc.file)
				if tc.firmware {
					conf = withFirmware(t, conf)
				}
				addMachine(t, l, "tenant", novaBridge, "eth0", tenantServer)
				tc.start(t, "tenant", conf)
				want := network.TenantAnswers(all, tc.firmware)
				want["ordinary, had the tenant's address"] = tc.own
				if diff := cmp.Diff(want, askAll(t, all, answerTime)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	})
}

// withFirmware takes away the marks before the lines that are for firmware.
func withFirmware(t *testing.T, conf string) string {
	t.Helper()
	with, err := network.WithFirmware(conf)
	must(t, err)
	return with
}
