package e2e

import (
	"fmt"
	"testing"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestReconnect restarts libvirtd under a running guest with a configuration that
// cannot be read: the hook runs at the reconnect, and if it failed libvirtd would
// kill the guest.
func TestReconnect(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true}, func(t *testing.T, l *lab.Lab) {
		g := runningKernel(t, l)
		if err := l.WriteConfig("rules: [}\n\x00"); err != nil {
			t.Fatal(err)
		}
		restartLibvirtd(t, l)
		// Calls that change a guest wait until libvirtd has reconnected to it.
		virsh(t, l, "suspend", g.Name)
		virsh(t, l, "resume", g.Name)
		awaitKernel(t, g)
	})
}

// TestReconnectKills proves TestReconnect.
func TestReconnectKills(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		const hook = "#!/bin/sh\n[ \"$2\" != reconnect ]\n"
		if err := l.InstallHookScript([]byte(hook)); err != nil {
			t.Fatal(err)
		}
		g := runningKernel(t, l)
		restartLibvirtd(t, l)
		await(t, func() error {
			if got := state(t, l, g.Name); got != "shut off" {
				return fmt.Errorf("a hook that fails at reconnect leaves %s %s: TestReconnect proves nothing", g.Name, got)
			}
			return nil
		})
	})
}

func runningKernel(t *testing.T, l *lab.Lab) *lab.Guest {
	t.Helper()
	g := novaGuest(t, l, "ami-kernel-ramdisk")
	virsh(t, l, "define", g.File)
	virsh(t, l, "start", g.Name)
	awaitKernel(t, g)
	return g
}

func restartLibvirtd(t *testing.T, l *lab.Lab) {
	t.Helper()
	if err := l.RestartLibvirtd(t.Context()); err != nil {
		t.Fatal(err)
	}
}
