package e2e

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// kernelDrop is a policy that takes kernels away from domains that start.
const kernelDrop = `rules:
  - name: no-kernels
    kernel: drop
`

// saver is a way to put a running guest to rest and to bring it back.
type saver struct {
	name          string
	save, restore func(g *lab.Guest) []string
}

func savers() []saver {
	image := func(g *lab.Guest) string { return filepath.Join(lab.InstancesDir, g.Name+".save") }
	return []saver{
		{
			"managedsave",
			func(g *lab.Guest) []string { return []string{"managedsave", g.Name} },
			func(g *lab.Guest) []string { return []string{"start", g.Name} },
		},
		{
			"save",
			func(g *lab.Guest) []string { return []string{"save", g.Name, image(g)} },
			func(g *lab.Guest) []string { return []string{"restore", image(g)} },
		},
	}
}

// TestRestore brings guests back that were defined past the gateway. The hook is
// libvirt's filter then. Their kernel is part of their memory and stays, even
// where the policy would take it away at a start.
func TestRestore(t *testing.T) {
	for _, c := range []struct {
		name    string
		options lab.Options
		filters func(g *lab.Guest) []string
	}{
		{"hook", lab.Options{Hook: true, Config: kernelDrop}, func(*lab.Guest) []string { return nil }},
		{"no hook", lab.Options{}, func(g *lab.Guest) []string { return filters(g.Domain) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			lab.Run(t, c.options, func(t *testing.T, l *lab.Lab) {
				g := novaGuest(t, l, "ami-kernel-ramdisk")
				virsh(t, l, "define", g.File)
				for _, s := range savers() {
					t.Run(s.name, func(t *testing.T) {
						virsh(t, l, "start", g.Name)
						awaitKernel(t, g)
						if diff := cmp.Diff(filters(g.Domain), filters(dumpxml(t, l, g.Name))); diff != "" {
							t.Errorf("nwfilters before (-want +got):\n%s", diff)
						}
						virsh(t, l, s.save(g)...)
						virsh(t, l, s.restore(g)...)
						checkFilters(t, l, g.Name, c.filters(g), g.Domain.Devices.Interfaces[0].Target.Dev)
						if !slices.Contains(commandLine(t, l, g.Name), "-kernel") {
							t.Error("QEMU has lost its kernel")
						}
						awaitKernel(t, g)
						virsh(t, l, "destroy", g.Name)
					})
				}
			})
		})
	}
}
