package e2e

import (
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
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
				tc.start(t, l, conf, hostsOf(all))
				if diff := cmp.Diff(openStackAnswers(all, tc.firmware), askAll(t, all, answerTime)); diff != "" {
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
				want := tenantAnswers(all, tc.firmware)
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
	with := regexp.MustCompile(`(?m)^( *)(?://|#)([^ \n])`).ReplaceAllString(conf, "$1$2")
	if with == conf {
		t.Fatal("no line is for firmware")
	}
	return with
}

// firmwareFiles is what each firmware is to boot.
func firmwareFiles() map[string]string {
	return map[string]string{
		"firmware, BIOS PXE":                              "OFFER tftp://10.77.0.1/undionly.kpxe",
		"firmware, UEFI x64 PXE":                          "OFFER tftp://10.77.0.1/snponly.efi",
		"firmware, UEFI arm64 PXE":                        "OFFER tftp://10.77.0.1/snponly-arm64.efi",
		"firmware, UEFI x64 PXE as RFC 4578 first had it": "OFFER tftp://10.77.0.1/snponly.efi",
		"firmware, UEFI x64 HTTP":                         "OFFER http://10.77.0.1/snponly.efi HTTPClient",
		"firmware, UEFI arm64 HTTP":                       "OFFER http://10.77.0.1/snponly-arm64.efi HTTPClient",
	}
}

// openStackAnswers are the right answers of OpenStack's server: to all clients except
// iPXE, and except firmware where that is the tenant's. (It may answer a DHCPINFORM from
// the tenant's subnet, and has no route for the answer.)
func openStackAnswers(all []dhcpClient, firmwareIsTenants bool) map[string]string {
	answers := silence(all)
	answers["ordinary"] = "OFFER"
	answers["ordinary, user class accounts"] = "OFFER"
	answers["ordinary, takes OpenStack's offer"] = "ACK"
	for name := range firmwareFiles() {
		if !firmwareIsTenants {
			answers[name] = "OFFER"
		}
	}
	return answers
}

// tenantAnswers are the right answers of the tenant's server: only to iPXE and, where it
// loads that into firmware, to firmware.
func tenantAnswers(all []dhcpClient, firmware bool) map[string]string {
	answers := silence(all)
	answers["iPXE, BIOS"] = "OFFER http://10.77.0.1/bios.ipxe"
	answers["iPXE, UEFI x64"] = "OFFER http://10.77.0.1/x64.ipxe"
	answers["iPXE, UEFI x64 as RFC 4578 first had it"] = "OFFER http://10.77.0.1/x64.ipxe"
	answers["iPXE, UEFI arm64"] = "OFFER http://10.77.0.1/arm64.ipxe"
	answers["iPXE, UEFI ia32"] = "OFFER tftp://10.77.0.1/boot.ipxe"
	answers["iPXE, user class as RFC 3004 has it"] = "OFFER http://10.77.0.1/bios.ipxe"
	answers["iPXE, takes the tenant's offer"] = "ACK http://10.77.0.1/bios.ipxe"
	if firmware {
		for name, answer := range firmwareFiles() {
			answers[name] = answer
		}
	}
	return answers
}

// silence is no answer to any client.
func silence(all []dhcpClient) map[string]string {
	answers := make(map[string]string)
	for _, c := range all {
		answers[c.name] = ""
	}
	return answers
}
