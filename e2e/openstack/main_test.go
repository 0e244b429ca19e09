//go:build openstack

package openstack

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

const checkout = "../.."

// openClouds are those to close, even where the tests are interrupted.
type openClouds struct {
	sync.Mutex
	all []*Cloud
}

var clouds openClouds

func (o *openClouds) close() {
	o.Lock()
	defer o.Unlock()
	for _, c := range o.all {
		if err := c.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	o.all = nil
}

func TestMain(m *testing.M) {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		clouds.close()
		os.Exit(1)
	}()
	os.Exit(m.Run())
}

// start starts a cloud with virt-netboot's package, enabled.
func start(t *testing.T, driver Driver) *Cloud {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("a container needs root")
	}
	deb := build(t)
	c, err := Open(t.Context(), driver, func(text string) { t.Log(text) })
	if err != nil {
		t.Fatal(err)
	}
	clouds.Lock()
	clouds.all = append(clouds.all, c)
	clouds.Unlock()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.Logs())
		}
		clouds.close()
	})
	must(t, c.Install(deb))
	must(t, c.Enable())
	return c
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
