package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/internal/existing"
)

// TestExistingKeep: domains that were there when the mode became enforce stay as they
// are, across a restart of the agent, until they are applied or defined through the
// gateway. What comes later follows the rules.
func TestExistingKeep(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true}, func(t *testing.T, l *lab.Lab) {
		must(t, os.Remove(filepath.Join(existing.Dir, existing.Name)))
		g := novaGuest(t, l, "image-raw-filterref")
		virsh(t, l, "define", g.File)
		virsh(t, l, "start", "--paused", g.Name)
		virsh(t, l, "define", smallDomain(t, "applied"))
		definition, running := virsh(t, l, "dumpxml", "--inactive", g.Name), virsh(t, l, "dumpxml", g.Name)
		kept := func(count int) {
			t.Helper()
			awaitMetric(t, fmt.Sprintf(`virt_netboot_domains{state="would-change"} %d`, count))
			if diff := cmp.Diff(definition, virsh(t, l, "dumpxml", "--inactive", g.Name)); diff != "" {
				t.Errorf("the definition: -before +now:\n%s", diff)
			}
			if diff := cmp.Diff(running, virsh(t, l, "dumpxml", g.Name)); diff != "" {
				t.Errorf("the running guest: -before +now:\n%s", diff)
			}
		}
		startAgent(t, l)
		kept(2)
		must(t, l.StopAgent())
		virsh(t, l, "define", smallDomain(t, "new")) // no agent sees that
		startAgent(t, l)
		await(t, func() error { return bootsNetwork(t, l, "new") })
		kept(2)
		if out := virtNetboot(t, l, "status"); !strings.Contains(out, "kept (existing: keep): boot order") {
			t.Errorf("status does not say why:\n%s", out)
		}

		virtNetboot(t, l, "apply", "applied")
		must(t, bootsNetwork(t, l, "applied"))
		kept(1)

		virshGateway(t, l, "define", g.File)
		await(t, func() error { return inSync(t, l, g.Name) })
		await(t, func() error { return noFilter(t, l, g.Name) })
	})
}

// smallDomain is the file of a domain without a disk.
func smallDomain(t *testing.T, name string) string {
	return writeFile(t, name+".xml", "<domain type='qemu'><name>"+name+"</name><memory>65536</memory><os><type>hvm</type><boot dev='hd'/></os>"+
		"<devices><interface type='bridge'><source bridge='none'/></interface></devices></domain>")
}

func bootsNetwork(t *testing.T, l *lab.Lab, domain string) error {
	t.Helper()
	if boots := bootDevices(dumpxml(t, l, domain, "--inactive")); boots != "network, hd" {
		return fmt.Errorf("%s boots from %s", domain, boots)
	}
	return nil
}
