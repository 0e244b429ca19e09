package e2e

import (
	"testing"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestLab proves the lab itself: a guest boots the lab's kernel in it.
func TestLab(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "ami-kernel-ramdisk")
		virsh(t, l, "create", g.File)
		awaitKernel(t, g)
	})
}
