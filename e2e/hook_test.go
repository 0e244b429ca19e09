package e2e

import (
	"strings"
	"testing"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestHookDoesNotRead gives the hook a document that no pipe holds. At start,
// started, stopped and release it exits without having read any of it; libvirt gets
// EPIPE and must ignore it.
func TestHookDoesNotRead(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-raw-filterref")
		padding := "<description>" + strings.Repeat("a document of more than 64 KiB. ", 1<<15) + "</description></domain>"
		file := writeFile(t, "long.xml", strings.Replace(g.Document, "</domain>", padding, 1))
		virsh(t, l, "define", file)
		for range 3 {
			virsh(t, l, "start", "--paused", g.Name)
			virsh(t, l, "destroy", g.Name)
		}
		checkWarned(t, l, g.Name, "nova-instance-instance-0000006c-fa163e5043cd")
	})
}
