package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// novaRow is what becomes of one of Nova's domains.
type novaRow struct {
	// The bootindex of QEMU's devices for a domain that came through the gateway and for
	// one that bypassed it.
	gateway, direct map[string]int
	// The nwfilters that it has bypassing the gateway; through it, none.
	filters []string
	kernel  bool   // libvirt boots a kernel, on both ways
	warning string // part of what the log says of it
}

func novaTable() map[string]novaRow {
	networkDisk := map[string]int{"net0": 1, "virtio-disk0": 2}
	disk := map[string]int{"virtio-disk0": 1}
	return map[string]novaRow{
		"image-raw-filterref": {
			gateway: networkDisk, direct: disk,
			filters: []string{"nova-instance-instance-0000006c-fa163e5043cd"},
		},
		"image-qcow2-neutron": {gateway: networkDisk, direct: disk},
		"ami-kernel-ramdisk": {
			gateway: disk, direct: disk,
			filters: []string{"nova-instance-instance-0000006e-fa163e5043cf"},
			kernel:  true,
			warning: "/var/lib/nova/instances/7e1b2a3c-0000-4000-8000-000000000003/kernel",
		},
		"iso-cdrom-hd": {
			gateway: map[string]int{"sata0-0-0": 1, "virtio-disk0": 2},
			direct:  map[string]int{"sata0-0-0": 1, "virtio-disk0": 2},
			warning: "boots from sda, the CD-ROM",
		},
		"per-device-order": {gateway: networkDisk, direct: disk},
		"two-nics-two-filters": {
			gateway: networkDisk, direct: disk,
			filters: []string{"nova-base", "nova-base"},
		},
		// libvirt counts the network as the first even where there is none.
		"no-nic": {
			gateway: map[string]int{"virtio-disk0": 2}, direct: disk,
			warning: "no network interface",
		},
		"already-network": {gateway: map[string]int{"net0": 1}, direct: map[string]int{"net0": 1}},
	}
}

func TestNovaTableIsWhole(t *testing.T) {
	dir, err := lab.NovaRows()
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	table := novaTable()
	for _, file := range files {
		row, ok := strings.CutSuffix(file.Name(), ".xml")
		if !ok {
			continue
		}
		if _, ok := table[row]; !ok {
			t.Errorf("%s has no row in this test", file.Name())
		}
		delete(table, row)
	}
	for row := range table {
		t.Errorf("%s.xml is not in %s", row, dir)
	}
}

// TestNovaDirect brings each of Nova's domains to libvirtd, bypassing the gateway, and
// inspects the QEMU that libvirtd starts: what TestNova finds is the gateway's work.
func TestNovaDirect(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		for name, row := range novaTable() {
			t.Run(name, func(t *testing.T) {
				g := novaGuest(t, l, name)
				virsh(t, l, "create", "--paused", g.File)
				checkRunning(t, l, g, row.direct, row.filters, row.kernel)
				virsh(t, l, "destroy", g.Name)
			})
		}
	})
}

// TestNova brings the same domains through the gateway.
func TestNova(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		for name, row := range novaTable() {
			t.Run(name, func(t *testing.T) {
				g := checkGateway(t, l, name, row.gateway, row.kernel)
				checkReconcilerIdle(t, l, g.Name)
				if row.warning != "" {
					checkWarned(t, l, g.Name, row.warning)
				}
			})
		}
	})
}

// checkGateway brings a domain through the gateway in three ways.
func checkGateway(t *testing.T, l *lab.Lab, row string, bootIndexes map[string]int, kernel bool) *lab.Guest {
	g := novaGuest(t, l, row)
	t.Run("define", func(t *testing.T) {
		virshGateway(t, l, "define", g.File)
		checkDefined(t, l, g, nil)
		virshGateway(t, l, "start", "--paused", g.Name)
		checkRunning(t, l, g, bootIndexes, nil, kernel)
		virshGateway(t, l, "destroy", g.Name)
		virshGateway(t, l, "undefine", g.Name)
	})
	t.Run("define --validate", func(t *testing.T) {
		virshGateway(t, l, "define", "--validate", g.File)
		checkDefined(t, l, g, nil)
		virshGateway(t, l, "start", "--paused", g.Name)
		checkRunning(t, l, g, bootIndexes, nil, kernel)
		virshGateway(t, l, "destroy", g.Name)
		virshGateway(t, l, "undefine", g.Name)
	})
	t.Run("create", func(t *testing.T) {
		virshGateway(t, l, "create", "--paused", g.File)
		checkRunning(t, l, g, bootIndexes, nil, kernel)
		virshGateway(t, l, "destroy", g.Name)
	})
	return g
}

// checkReconcilerIdle fails where the agent's reconciler, and not its gateway, has
// brought a domain in sync.
func checkReconcilerIdle(t *testing.T, l *lab.Lab, domain string) {
	t.Helper()
	entries, err := l.Journal(t.Context(), "-t", "virt-netboot", "DOMAIN="+domain)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		for _, did := range []string{"domain " + domain + " redefined", "running domain " + domain + " changed"} {
			if strings.HasPrefix(e["MESSAGE"], did) {
				t.Errorf("not the gateway but the reconciler did it: %s", e["MESSAGE"])
			}
		}
	}
}

func checkDefined(t *testing.T, l *lab.Lab, g *lab.Guest, wantFilters []string) {
	t.Helper()
	if diff := cmp.Diff(wantFilters, filters(dumpxml(t, l, g.Name, "--inactive"))); diff != "" {
		t.Errorf("nwfilters of the definition of %s (-want +got):\n%s", g.Name, diff)
	}
}

func checkRunning(t *testing.T, l *lab.Lab, g *lab.Guest, wantIndexes map[string]int, wantFilters []string, wantKernel bool) {
	t.Helper()
	if diff := cmp.Diff(wantIndexes, bootIndexes(t, l, g.Name)); diff != "" {
		t.Errorf("bootindex on QEMU's command line of %s (-want +got):\n%s", g.Name, diff)
	}
	if diff := cmp.Diff(wantFilters, filters(dumpxml(t, l, g.Name)), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("nwfilters of %s (-want +got):\n%s", g.Name, diff)
	}
	if got := slices.Contains(commandLine(t, l, g.Name), "-kernel"); got != wantKernel {
		t.Errorf("QEMU of %s has a -kernel: %t, want %t", g.Name, got, wantKernel)
	}
}

// checkWarned reads the journal as an operator does.
func checkWarned(t *testing.T, l *lab.Lab, domain, part string) {
	t.Helper()
	if warned(t, l, domain, part) == 0 {
		t.Errorf("journalctl -t virt-netboot DOMAIN=%s has no warning with %q", domain, part)
	}
}

// warned counts the warnings about a domain in the journal.
func warned(t *testing.T, l *lab.Lab, domain, part string) int {
	t.Helper()
	const warning = "4" // LOG_WARNING of syslog(3)
	count := 0
	entries, err := l.Journal(t.Context(), "-t", "virt-netboot", "DOMAIN="+domain)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e["PRIORITY"] == warning && strings.Contains(e["MESSAGE"], part) {
			count++
		}
	}
	return count
}
