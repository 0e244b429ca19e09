package e2e

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestCompletion completes the names of the domains that libvirt has, running or
// not, and none where libvirt does not answer.
func TestCompletion(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		running, off := novaGuest(t, l, "image-raw-filterref"), novaGuest(t, l, "ami-kernel-ramdisk")
		virsh(t, l, "define", off.File)
		virsh(t, l, "create", "--paused", running.File)
		complete := func(args ...string) string {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			out, err := l.VirtNetboot(ctx, append([]string{"__complete"}, args...)...)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		const noFiles = ":4\n"
		names := slices.Sorted(slices.Values([]string{running.Name, off.Name}))
		all := strings.Join(names, "\n") + "\n" + noFiles
		for _, command := range []string{"revert", "apply", "once"} {
			if got := complete(command, ""); got != all {
				t.Errorf("%s: %q, want %q", command, got, all)
			}
		}
		if got, want := complete("revert", running.Name, ""), off.Name+"\n"+noFiles; got != want {
			t.Errorf("after one that is named: %q, want %q", got, want)
		}

		socket := filepath.Join(t.TempDir(), "socket")
		silent, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		hung := writeFile(t, "config.yaml", "gateway: {upstream: "+socket+"}\n")
		if got := complete("revert", "--config", hung, ""); got != noFiles {
			t.Errorf("from a libvirt that hangs: %q", got)
		}
		if err := l.StopLibvirtd(); err != nil {
			t.Fatal(err)
		}
		if got := complete("revert", ""); got != noFiles {
			t.Errorf("from a libvirt that does not run: %q", got)
		}
	})
}
