//go:build packages

package packages

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// units looks at what systemd makes of the units, where it would take longer to wait
// for what comes of it.
func (n *node) units(t *testing.T) {
	const (
		agent, files = "virt-netboot.service", "virt-netboot-files.service"
		// capability(7)
		setuidSetgid = "CapBnd:\t00000000000000c0"
		ownersFiles  = "CapBnd:\t00000000100000cb" // chown, dac_override, fowner, lease, setuid, setgid
	)
	for unit, want := range map[string]string{agent: setuidSetgid, files: ownersFiles} {
		if got := n.shell(t, "grep CapBnd /proc/$(systemctl show -P MainPID "+unit+")/status"); strings.TrimSpace(got) != want {
			t.Errorf("%s has %s, want %s", unit, got, want)
		}
	}
	for _, unit := range []string{agent, files, "virt-netboot-bypass.service", "virt-netboot-ready.service", "virt-netboot-takeover.service", "virt-netboot-boot.service"} {
		n.run(t, "systemd-analyze", "security", "--threshold=20", "--no-pager", unit)
		n.run(t, "systemd-analyze", "verify", "--man=no", unit)
	}
	for _, want := range []struct{ unit, property, value string }{
		{agent, "WatchdogUSec", "30s"},
		{agent, "LimitNOFILE", "16384"},
		{agent, "RestartUSec", "1s"},
		{agent, "TimeoutStopUSec", "20s"},
		{files, "WatchdogUSec", "1min"},
		{files, "RestartUSec", "10s"},
		{agent, "Before", "libvirt-guests.service"},
		{agent, "After", "libvirtd.service"},
		{agent, "After", "libvirtd.socket"},
		{agent, "After", "virtqemud.service"},
		{agent, "After", "virtqemud.socket"},
	} {
		got := n.run(t, "systemctl", "show", "--value", "--property="+want.property, want.unit)
		if !strings.Contains(" "+strings.TrimSpace(got)+" ", " "+want.value+" ") {
			t.Errorf("%s has %s=%s, want %s", want.unit, want.property, strings.TrimSpace(got), want.value)
		}
	}
	n.run(t, "systemctl", "stop", "virt-netboot.socket")
	if _, err := os.Lstat(n.path(gatewaySocket)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s outlives virt-netboot.socket (%v)", gatewaySocket, err)
	}
	n.run(t, "systemctl", "start", "virt-netboot.service")
}

// callsHook fails the test unless libvirt, which has run since before the package was
// installed, calls the hook.
func (n *node) callsHook(t *testing.T) {
	t.Helper()
	said := func() int {
		out, _ := n.try("journalctl", "--quiet", "-t", "virt-netboot", "OPERATION=prepare", "DOMAIN=hooked") // fails where it says nothing
		return strings.Count(out, "\n")
	}
	before := said()
	n.run(t, "virsh", "create", n.domain(t, "hooked"))
	await(t, "the hook's word about a guest that starts past the gateway", func() error {
		if said() <= before {
			return errors.New("it says nothing")
		}
		return nil
	})
	n.run(t, "virsh", "destroy", "hooked")
}

// throughGateway fails the test unless what Nova's own driver starts has come through
// the gateway.
func (n *node) throughGateway(t *testing.T, name string) {
	t.Helper()
	n.launch(t, name)
	n.bootsFrom(t, name, "net0", "virtio-disk0")
	// Past the gateway, the reconciler may still come before the start.
	rewritten := "domain " + name + " rewritten on its way to libvirt"
	if log := n.run(t, "journalctl", "--output=cat", "-t", "virt-netboot"); !strings.Contains(log, rewritten) {
		t.Errorf("Nova's instance went past the gateway:\n%s", log)
	}
	// Not in <metadata>, where virt-netboot keeps what it takes.
	_, devices, _ := strings.Cut(n.run(t, "virsh", "dumpxml", name), "<devices>")
	if !strings.Contains(devices, "<interface") || strings.Contains(devices, "<filterref") {
		t.Errorf("the interface still has its filter:\n%s", devices)
	}
	n.run(t, "virsh", "destroy", name)
	n.run(t, "virsh", "undefine", name)
}

// reloads fails the test unless libvirtd, which goes on calling a hook that it has
// found, is reloaded, and not restarted.
func (n *node) reloads(t *testing.T, change func()) {
	t.Helper()
	before, reloads := n.daemon(t), n.reloadings(t)
	change()
	await(t, "libvirtd to be reloaded", func() error {
		if now := n.reloadings(t); now <= reloads {
			return fmt.Errorf("it was %d times before, and is %d times now", reloads, now)
		}
		return nil
	})
	if now := n.daemon(t); now != before {
		t.Errorf("libvirtd was process %s, now %s: it was restarted", before, now)
	}
}

// reloadings counts systemd's SD_MESSAGE_UNIT_RELOADING about libvirtd.
func (n *node) reloadings(t *testing.T) int {
	t.Helper()
	out := n.shell(t, "journalctl --quiet --output=cat MESSAGE_ID=d34d037fff1847e6ae669a370e694725 UNIT=libvirtd.service _PID=1 || true")
	return strings.Count(out, "\n")
}
