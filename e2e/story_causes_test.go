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

// TestStoryCauses puts each cause of failure into the story: the instance does not
// boot from its tenant's server, and the operator is told why.
func TestStoryCauses(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true, Config: storyConfig}, func(t *testing.T, l *lab.Lab) {
		tenant := openTenant(t, l, network.First())

		// Without an agent: that would take the filter off the running guest.
		t.Run("filter left on", func(t *testing.T) {
			g := storyGuest(t, l, edit(t, network.Instance, `<boot dev="hd"/>`, `<boot dev="network"/><boot dev="hd"/>`))
			since := time.Now()
			virsh(t, l, "create", g.File)
			defer virsh(t, l, "destroy", g.Name)
			checkWarned(t, l, g.Name, "filterref nova-base")
			awaitScreen(t, l, g.Name, "Booting from Hard Disk")
			checkNotServed(t, tenant, since)
			if !strings.Contains(logSince(tenant.DHCP, since), "DHCPOFFER on") {
				t.Error("the tenant's server has not answered: it is not the filter that this tests")
			}
		})

		startAgent(t, l)
		wantFindings(t, l, findings{})

		t.Run("option ROM off", func(t *testing.T) {
			g := storyGuest(t, l, edit(t, network.Instance, `<model type="virtio"/>`, `<model type="virtio"/><rom bar="off"/>`))
			since := time.Now()
			virshGateway(t, l, "create", g.File)
			defer virsh(t, l, "destroy", g.Name)
			checkWarned(t, l, g.Name, "option ROM")
			awaitScreen(t, l, g.Name, "Booting from Hard Disk")
			checkNotAsked(t, tenant, since)
		})
		t.Run("kernel", func(t *testing.T) {
			const dir = "/var/lib/nova/instances/6f2c1d80-6b0e-4d4a-9a53-1f0b5f0c006c/"
			g := storyGuest(t, l, edit(t, network.Instance, `<boot dev="hd"/>`,
				`<kernel>`+dir+`kernel</kernel><initrd>`+dir+`ramdisk</initrd><cmdline>root=/dev/vda1 console=ttyS0</cmdline><boot dev="hd"/>`))
			since := time.Now()
			virshGateway(t, l, "create", g.File)
			defer virsh(t, l, "destroy", g.Name)
			checkWarned(t, l, g.Name, dir+"kernel")
			checkWarned(t, l, g.Name, dir+"ramdisk")
			awaitConsole(t, g, tenant, since)
			checkNotAsked(t, tenant, since)
		})
		t.Run("tenant's server answers all", func(t *testing.T) {
			conf := shipped(t, "tenant/dhcpd.conf")
			must(t, tenant.StartDHCP(t.Context(), without(t, conf, "    allow members")))
			defer func() { must(t, tenant.StartDHCP(t.Context(), conf)) }()
			checkVerdict(t, tenant, "answers-ordinary")
			wantFindings(t, l, findings{})
		})
		t.Run("dnsmasq without its lines", func(t *testing.T) {
			must(t, tenant.StartOpenStack(t.Context(), ""))
			checkVerdict(t, tenant, "race")
			wantFindings(t, l, findings{"dnsmasq": "failure"})

			g := storyGuest(t, l, network.Instance)
			since := time.Now()
			virshGateway(t, l, "create", g.File)
			defer virsh(t, l, "destroy", g.Name)
			awaitGuest(t, func() error {
				log := logSince(tenant.OpenStack, since)
				if !strings.Contains(log, "DHCPOFFER(br100) "+network.Address) {
					return fmt.Errorf("OpenStack's server has not answered iPXE:\n%s", log)
				}
				return nil
			})
			must(t, tenant.StartOpenStack(t.Context(), shipped(t, "openstack/nova-dnsmasq.conf")))
		})

		wantFindings(t, l, findings{})
		checkVerdict(t, tenant, "right")
	})
}

// checkVerdict compares the probe's verdict on a tenant's network with one.
func checkVerdict(t *testing.T, tenant *network.Tenant, want string) {
	t.Helper()
	_, stdout, stderr := runProbe(t, probeProgram(answerArgs(tenant.Bridge, "--json")...))
	var verdicts []string
	for _, f := range report(t, stdout).Findings {
		verdicts = append(verdicts, string(f.Verdict))
	}
	if diff := cmp.Diff([]string{want}, verdicts); diff != "" {
		t.Errorf("the probe's verdicts (-want +got):\n%s%s%s", diff, stdout, stderr)
	}
}

// checkNotAsked checks that nothing came from a guest that did not try the network.
func checkNotAsked(t *testing.T, tenant *network.Tenant, since time.Time) {
	t.Helper()
	if n := tenant.Asked(since); n > 0 {
		t.Errorf("the network was asked %d times:\n%s", n, told(since, tenant))
	}
}

// checkNotServed checks that a guest asked for an address and fetched no script.
func checkNotServed(t *testing.T, tenant *network.Tenant, since time.Time) {
	t.Helper()
	if tenant.Asked(since) == 0 {
		t.Error("the network was not asked")
	}
	if paths := fetched(tenant, since); len(paths) > 0 {
		t.Errorf("it fetched %q:\n%s", paths, told(since, tenant))
	}
}
