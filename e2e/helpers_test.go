package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"libvirt.org/go/libvirtxml"
)

// virshTimeout is more than a call takes that gets an answer.
const virshTimeout = 2 * time.Minute

// virshFunc is virsh against libvirtd's own socket or through the gateway. It
// fails the test when virsh fails.
type virshFunc func(t *testing.T, l *lab.Lab, args ...string) string

func virsh(t *testing.T, l *lab.Lab, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), virshTimeout)
	defer cancel()
	out, err := l.Virsh(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func virshGateway(t *testing.T, l *lab.Lab, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), virshTimeout)
	defer cancel()
	out, err := l.VirshGateway(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func novaGuest(t *testing.T, l *lab.Lab, row string) *lab.Guest {
	t.Helper()
	g, err := l.NovaGuest(t.Context(), row)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func startAgent(t *testing.T, l *lab.Lab) {
	t.Helper()
	if err := l.StartAgent(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// await calls check until it returns nil; after 30 seconds the test fails.
func await(t *testing.T, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := lab.Await(ctx, check); err != nil {
		t.Fatal(err)
	}
}

// bootIndexes are the devices with a bootindex on QEMU's command line, by the id
// that libvirt gives them: net0, virtio-disk0, …
func bootIndexes(t *testing.T, l *lab.Lab, domain string) map[string]int {
	t.Helper()
	indexes := make(map[string]int)
	args := commandLine(t, l, domain)
	for i, arg := range args {
		if i == 0 || args[i-1] != "-device" {
			continue
		}
		var device struct {
			ID        string
			BootIndex int
		}
		if err := json.Unmarshal([]byte(arg), &device); err != nil {
			t.Fatalf("reading QEMU's -device %s: %v", arg, err)
		}
		if device.BootIndex != 0 {
			indexes[device.ID] = device.BootIndex
		}
	}
	return indexes
}

func commandLine(t *testing.T, l *lab.Lab, domain string) []string {
	t.Helper()
	args, err := l.QEMUCommandLine(domain)
	if err != nil {
		t.Fatal(err)
	}
	return args
}

// dumpxml is a domain as libvirtd has it: the running one, or with --inactive
// the persistent one.
func dumpxml(t *testing.T, l *lab.Lab, domain string, flags ...string) libvirtxml.Domain {
	t.Helper()
	var d libvirtxml.Domain
	text := virsh(t, l, append([]string{"dumpxml", domain}, flags...)...)
	if err := d.Unmarshal(text); err != nil {
		t.Fatal(err)
	}
	return d
}

// filters are the nwfilters that the interfaces of a domain refer to.
func filters(d libvirtxml.Domain) []string {
	var names []string
	for _, nic := range d.Devices.Interfaces {
		if nic.FilterRef != nil {
			names = append(names, nic.FilterRef.Filter)
		}
	}
	return names
}

// state is what virsh domstate says: running, paused, shut off, …
func state(t *testing.T, l *lab.Lab, domain string) string {
	t.Helper()
	return strings.TrimSpace(virsh(t, l, "domstate", domain))
}

// awaitKernel waits until the lab's kernel writes to a guest's serial line, after
// having forgotten what it wrote before.
func awaitKernel(t *testing.T, g *lab.Guest) {
	t.Helper()
	path := g.Domain.Devices.Serials[0].Source.File.Path
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	await(t, func() error {
		log, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !strings.Contains(string(log[min(before.Size(), int64(len(log))):]), lab.KernelSays) {
			return fmt.Errorf("waiting for the kernel of %s to write to its serial line", g.Name)
		}
		return nil
	})
}

// writeFile writes a file into the test's own directory and returns its path.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
