package e2e

import (
	"testing"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestActivity asks a real libvirt what virt-netboot enable waits for: a guest that was
// started paused, as Nova does until its ports are plugged, and one that runs.
func TestActivity(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := smallGuest(t, l, "built", virtioDisk(t, "vda", ""))
		conn, err := libvirt.Dial(t.Context(), lab.LibvirtSocket)
		must(t, err)
		defer conn.Close()
		check := func(want libvirt.Activity) {
			t.Helper()
			d, err := conn.Lookup(t.Context(), g.Name)
			must(t, err)
			got, err := conn.Activity(t.Context(), d)
			must(t, err)
			if got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		virsh(t, l, "create", "--paused", writeFile(t, "built.xml", g.Document))
		check(libvirt.ActivityPaused)
		virsh(t, l, "resume", g.Name)
		check(libvirt.ActivityNone)
		d, err := conn.Lookup(t.Context(), g.Name)
		must(t, err)
		virsh(t, l, "destroy", g.Name)
		if _, err := conn.Activity(t.Context(), d); !libvirt.IsNotFound(err) {
			t.Errorf("of a guest that has gone: %v", err)
		}
	})
}
