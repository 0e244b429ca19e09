package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// inSync returns nil when the definition of one of Nova's plain domains tries the
// network first and has no filter.
func inSync(t *testing.T, l *lab.Lab, domain string) error {
	t.Helper()
	d := dumpxml(t, l, domain, "--inactive")
	if f := filters(d); len(f) > 0 {
		return fmt.Errorf("%s still has filters %v", domain, f)
	}
	if boots := bootDevices(d); boots != "network, hd" {
		return fmt.Errorf("%s boots from %s", domain, boots)
	}
	return nil
}

// bridgeRules are the lines of ebtables that are about one interface.
func bridgeRules(t *testing.T, l *lab.Lab, tap string) []string {
	t.Helper()
	out, err := l.Command(t.Context(), "ebtables", "-t", "nat", "-L")
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, tap) {
			rules = append(rules, strings.TrimSpace(line))
		}
	}
	return rules
}

// noFilter returns nil when a running guest has no filter; libvirt says so once
// the bridge rules are gone. ebtables itself fails while another program changes them.
func noFilter(t *testing.T, l *lab.Lab, domain string) error {
	t.Helper()
	if f := filters(dumpxml(t, l, domain)); len(f) > 0 {
		return fmt.Errorf("the running %s has filters %v", domain, f)
	}
	return nil
}

// TestReconcileStart starts the agent beside a guest that runs with its filter.
func TestReconcileStart(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		const tap = "tap3e5043cd"
		g := novaGuest(t, l, "image-raw-filterref")
		virsh(t, l, "define", g.File)
		virsh(t, l, "start", "--paused", g.Name)
		pid, err := l.QEMUPID(g.Name)
		if err != nil {
			t.Fatal(err)
		}
		before := bridgeRules(t, l, tap)
		if len(before) == 0 {
			t.Fatalf("ebtables has no rule for %s: this test proves nothing", tap)
		}
		startAgent(t, l)
		await(t, func() error { return errors.Join(inSync(t, l, g.Name), noFilter(t, l, g.Name)) })
		if rules := bridgeRules(t, l, tap); len(rules) > 0 {
			t.Errorf("ebtables still has %v", rules)
		}
		t.Logf("ebtables -t nat -L had %d lines for %s, and has none", len(before), tap)
		if now, err := l.QEMUPID(g.Name); err != nil || now != pid {
			t.Errorf("QEMU is process %d (%v), was %d: the guest has been restarted", now, err, pid)
		}
		virsh(t, l, "destroy", g.Name)
		virsh(t, l, "start", "--paused", g.Name)
		checkRunning(t, l, g, map[string]int{"net0": 1, "virtio-disk0": 2}, nil, false)
	})
}

// TestReconcileEvent defines and starts a domain, bypassing the gateway, while the agent
// runs.
func TestReconcileEvent(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		const tap = "tap3e5043cd"
		g := novaGuest(t, l, "image-raw-filterref")
		startAgent(t, l)
		fastest := time.Hour // the others show how much else the machine did
		for range 5 {
			virsh(t, l, "define", g.File)
			began := time.Now()
			await(t, func() error { return inSync(t, l, g.Name) })
			fastest = min(fastest, time.Since(began))
			virsh(t, l, "undefine", g.Name)
		}
		t.Logf("redefined after %v", fastest.Round(time.Millisecond))
		if fastest > time.Second {
			t.Errorf("redefined after %v, want a second at most", fastest)
		}
		virsh(t, l, "create", "--paused", g.File) // transient: only its interface can be changed
		began := time.Now()
		await(t, func() error { return noFilter(t, l, g.Name) })
		t.Logf("without filter after %v, most of which is libvirt's own", time.Since(began).Round(time.Millisecond))
		if rules := bridgeRules(t, l, tap); len(rules) > 0 {
			t.Errorf("ebtables still has %v", rules)
		}
		if info := virsh(t, l, "dominfo", g.Name); !strings.Contains(info, "Persistent:     no") {
			t.Errorf("the transient domain has become persistent:\n%s", info)
		}
	})
}

// bootDevices are the devices of <os><boot dev='…'/>.
func bootDevices(d libvirtxml.Domain) string {
	var devices []string
	for _, b := range d.OS.BootDevices {
		devices = append(devices, b.Dev)
	}
	return strings.Join(devices, ", ")
}

// TestReconcileAttach attaches an interface with a filter to a running guest, bypassing
// the gateway: libvirt has an event for that, though the definition stays.
func TestReconcileAttach(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-qcow2-neutron")
		if err := l.DefineShortFilter(t.Context(), "nova-base"); err != nil {
			t.Fatal(err)
		}
		startAgent(t, l)
		virsh(t, l, "define", g.File)
		virsh(t, l, "start", "--paused", g.Name)
		await(t, func() error { return inSync(t, l, g.Name) })
		virsh(t, l, "attach-device", "--live", g.Name, writeFile(t, "interface.xml", filteredInterface("fa:16:3e:00:00:02", "tap2")))
		await(t, func() error { return noFilter(t, l, g.Name) })
		if n := len(dumpxml(t, l, g.Name).Devices.Interfaces); n != 2 {
			t.Errorf("the guest has %d interfaces, want 2", n)
		}
		// It comes back from the live metadata, the only place that knows of it.
		virtNetboot(t, l, "revert", g.Name)
		if got := filters(dumpxml(t, l, g.Name)); len(got) != 1 {
			t.Errorf("after revert the guest has the filters %v, want nova-base", got)
		}
	})
}

// TestReconcileSnapshot reverts a domain to a snapshot from before the agent.
func TestReconcileSnapshot(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-qcow2-neutron")
		virsh(t, l, "define", g.File)
		virsh(t, l, "snapshot-create-as", g.Name, "before")
		startAgent(t, l)
		await(t, func() error { return inSync(t, l, g.Name) })
		virsh(t, l, "snapshot-revert", g.Name, "before")
		await(t, func() error { return inSync(t, l, g.Name) })
	})
}
