//go:build openstack

package openstack

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const checkout = "../.."

// start starts a cloud with virt-netboot's package, enabled. The context ends with an
// interrupt, so that what was begun is taken down.
func start(t *testing.T, driver Driver) (context.Context, *Cloud) {
	t.Helper()
	// Not the test's own context, which ends before a failed cloud has said its logs.
	ctx, stop := signal.NotifyContext(context.WithoutCancel(t.Context()), os.Interrupt, syscall.SIGTERM)
	t.Cleanup(stop)
	if os.Getuid() != 0 {
		t.Fatal("a container needs root")
	}
	deb := build(t)
	c, err := Open(ctx, driver, func(text string) { t.Log(text) })
	if errors.Is(err, ErrNoDriver) {
		t.Skip(ErrNoDriver)
	}
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.Logs())
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	must(t, c.Install(deb))
	must(t, c.Enable(ctx))
	return ctx, c
}

// build makes virt-netboot's package of the checkout.
func build(t *testing.T) string {
	t.Helper()
	dist := t.TempDir()
	arch, err := exec.Command("dpkg", "--print-architecture").Output()
	must(t, err)
	cmd := exec.Command(filepath.Join(checkout, "packaging/build"), dist)
	cmd.Env = append(os.Environ(), "VERSION=v1.0.0", "ARCHS="+strings.TrimSpace(string(arch)))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	debs, err := filepath.Glob(filepath.Join(dist, "*.deb"))
	must(t, err)
	if len(debs) != 1 {
		t.Fatalf("packages: %v", debs)
	}
	return debs[0]
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
