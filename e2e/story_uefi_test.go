package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/e2e/network"
)

// TestStoryUEFI is the story with a guest whose firmware is OVMF. Where its NIC's
// option ROM has no iPXE for UEFI, as Debian 13's, or where there is none, OVMF's
// own client loads iPXE from the tenant.
func TestStoryUEFI(t *testing.T) {
	for name, rom := range map[string]string{"option ROM": "", "no option ROM": `<rom enabled="no"/>`} {
		t.Run(name, func(t *testing.T) {
			lab.Run(t, lab.Options{Hook: true, Config: storyConfig}, func(t *testing.T, l *lab.Lab) {
				tenant := openTenant(t, l, network.First())
				serveFirmware(t, tenant)
				startAgent(t, l)
				g := storyGuest(t, l, uefi(t, rom))
				since := time.Now()
				virshGateway(t, l, "create", g.File)
				want := []string{"/x64.ipxe", "/hello?from=fa:16:3e:50:43:cd&platform=efi"}
				awaitGuest(t, func() error {
					if diff := cmp.Diff(want, fetched(tenant, since)); diff != "" {
						return fmt.Errorf("fetched over HTTP (-want +got):\n%s\n%s", diff, told(since, tenant))
					}
					return nil
				})
				checkOnlyTenantAnswered(t, tenant, since)
			})
		})
	}
}

// uefi is the instance with OVMF, which uses the network only where it has random
// numbers, and an addition to its NIC.
func uefi(t *testing.T, nic string) string {
	t.Helper()
	document := edit(t, network.Instance, `<boot dev="hd"/>`,
		`<loader readonly="yes" type="pflash">/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
    <nvram template="/usr/share/OVMF/OVMF_VARS_4M.fd"/>
    <boot dev="hd"/>`)
	document = edit(t, document, "</devices>", `<rng model="virtio"><backend model="random">/dev/urandom</backend></rng></devices>`)
	return strings.Replace(document, "</interface>", nic+"</interface>", 1)
}

// serveFirmware lets the tenant's servers load iPXE into firmware, as the shipped
// configurations do with their marks taken away.
func serveFirmware(t *testing.T, tenant *network.Tenant) {
	t.Helper()
	must(t, tenant.StartOpenStack(t.Context(), withFirmware(t, shipped(t, "openstack/nova-dnsmasq.conf"))))
	must(t, tenant.StartDHCP(t.Context(), withFirmware(t, shipped(t, "tenant/dhcpd.conf"))))
	must(t, tenant.StartTFTP(t.Context()))
}
