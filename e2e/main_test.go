// Package e2e proves virt-netboot with real libvirtd, virtlogd and QEMU.
package e2e

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"testing"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

func TestMain(m *testing.M) {
	lab.Main()
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

// runTests builds what the labs run, once for all of them, unless VIRT_NETBOOT_BIN
// says where it is.
func runTests(m *testing.M) (int, error) {
	if lab.Inside() || lab.Missing() != "" || os.Getenv("VIRT_NETBOOT_BIN") != "" {
		return m.Run(), nil
	}
	dir, err := os.MkdirTemp("", "virt-netboot-bin-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // to remove dir then, too
	err = lab.BuildPrograms(ctx, dir)
	stop()
	if err != nil {
		return 0, err
	}
	if err := lab.UsePrograms(dir); err != nil {
		return 0, err
	}
	return m.Run(), nil
}
