package e2e

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// kernelDrop is a policy that drops the kernels of domains that start.
const kernelDrop = `rules:
  - name: no-kernels
    kernel: drop
`

// saver is a way to save a running guest and to bring it back.
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

// TestRestore brings guests back that were defined bypassing the gateway. The hook is
// libvirt's filter then. A kernel that runs stays, even where the policy would drop it
// at a start.
func TestRestore(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true, Config: kernelDrop}, func(t *testing.T, l *lab.Lab) {
		checkRestore(t, l, "ami-kernel-ramdisk", restored{
			bootIndexes: map[string]int{"virtio-disk0": 1},
			kernel:      true,
		})
		checkRestore(t, l, "image-raw-filterref", restored{
			bootIndexes: map[string]int{"net0": 1, "virtio-disk0": 2},
		})
	})
}

// TestRestoreWithoutHook proves TestRestore.
func TestRestoreWithoutHook(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		checkRestore(t, l, "image-raw-filterref", restored{
			bootIndexes: map[string]int{"virtio-disk0": 1},
			filters:     []string{"nova-instance-instance-0000006c-fa163e5043cd"},
		})
	})
}

// restored is what a guest must be when it is back.
type restored struct {
	bootIndexes map[string]int
	filters     []string
	kernel      bool
}

func checkRestore(t *testing.T, l *lab.Lab, row string, want restored) {
	g := novaGuest(t, l, row)
	virsh(t, l, "define", g.File)
	for _, s := range savers() {
		t.Run(row+" "+s.name, func(t *testing.T) {
			virsh(t, l, "start", g.Name)
			if diff := cmp.Diff(filters(g.Domain), filters(dumpxml(t, l, g.Name))); diff != "" {
				t.Errorf("nwfilters before (-want +got):\n%s", diff)
			}
			if want.kernel {
				awaitKernel(t, g)
			}
			virsh(t, l, s.save(g)...)
			virsh(t, l, s.restore(g)...)

			checkRunning(t, l, g, want.bootIndexes, want.filters, want.kernel)
			checkFilters(t, l, g.Name, want.filters, g.Domain.Devices.Interfaces[0].Target.Dev)
			if got := state(t, l, g.Name); got != "running" {
				t.Errorf("state of %s is %q", g.Name, got)
			}
			if want.kernel {
				awaitKernel(t, g)
			}
			virsh(t, l, "destroy", g.Name)
		})
	}
}
