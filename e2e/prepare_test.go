package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestPrepareWarns starts a domain that bypassed the gateway.
func TestPrepareWarns(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-raw-filterref")
		virsh(t, l, "define", g.File)
		virsh(t, l, "start", "--paused", g.Name)
		if got := state(t, l, g.Name); got != "paused" {
			t.Errorf("state of %s is %q", g.Name, got)
		}
		checkWarned(t, l, g.Name, g.Name)
		checkWarned(t, l, g.Name, "nova-instance-instance-0000006c-fa163e5043cd")
	})
}

// TestPrepareWarnsOfKernel starts a domain that nothing can make boot from the
// network but a change to its rule.
func TestPrepareWarnsOfKernel(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "ami-kernel-ramdisk")
		virsh(t, l, "create", g.File)
		checkWarned(t, l, g.Name, g.Domain.OS.Kernel)
		checkWarned(t, l, g.Name, g.Domain.OS.Initrd)
		awaitKernel(t, g)
	})
}

// TestPrepareDenies refuses the start of a domain that bypassed the gateway, and lets
// one start that came through it.
func TestPrepareDenies(t *testing.T) {
	const config = "rules:\n  - name: strict\n    unprepared: deny\n"
	lab.Run(t, lab.Options{Hook: true, Config: config}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-raw-filterref")
		virsh(t, l, "define", g.File)
		_, err := l.Virsh(t.Context(), "start", "--paused", g.Name)
		if err == nil {
			t.Fatalf("%s started", g.Name)
		}
		t.Log(err)
		hookSays, ok := lineWith(err.Error(), "Hook script execution failed")
		if !ok {
			t.Fatalf("virsh does not say that the hook failed: %v", err)
		}
		for _, part := range []string{g.Name, "network", "filterref"} {
			if !strings.Contains(hookSays, part) {
				t.Errorf("the caller's error does not name %q: %s", part, hookSays)
			}
		}
		if got := state(t, l, g.Name); got != "shut off" {
			t.Errorf("state of %s is %q", g.Name, got)
		}

		virsh(t, l, "undefine", g.Name)
		startAgent(t, l)
		virshGateway(t, l, "define", g.File)
		virsh(t, l, "start", "--paused", g.Name)
		checkReconcilerIdle(t, l, g.Name)
		if diff := cmp.Diff(map[string]int{"net0": 1, "virtio-disk0": 2}, bootIndexes(t, l, g.Name)); diff != "" {
			t.Errorf("bootindex on QEMU's command line (-want +got):\n%s", diff)
		}
	})
}

func lineWith(text, part string) (string, bool) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line, true
		}
	}
	return "", false
}
