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

const (
	intentPath    = "/var/lib/virt-netboot/intent"
	libvirtDropIn = "/etc/systemd/system/libvirtd.socket.d/50-virt-netboot.conf"
	gatewayDropIn = "/etc/systemd/system/virt-netboot.socket.d/50-takeover.conf"
)

// TestEnableCut cuts virt-netboot enable and disable at each of their steps.
// Nothing but waiting, or the next boot, gets clients to libvirt again, and the same
// command finds nothing more to do.
func TestEnableCut(t *testing.T) {
	t.Parallel()
	n := boot(t, tree(t))
	n.write(t, "/etc/apt/sources.list", "deb [trusted=yes] file:/srv/repository ./\n")
	n.publish(t, build(t, "1.0.0"))
	n.apt(t, "install", "virt-netboot")
	wrapper, err := os.ReadFile("testdata/systemctl")
	if err != nil {
		t.Fatal(err)
	}
	n.write(t, "/usr/local/sbin/systemctl", string(wrapper))
	n.write(t, "/etc/systemd/system/virt-netboot-takeover.service.d/cut.conf", "[Service]\nReadWritePaths=-/run/cut\n")
	n.shell(t, "chmod 755 /usr/local/sbin/systemctl; systemctl daemon-reload; ip link add br-tenant type bridge; truncate -s 1M "+disk)
	n.run(t, "virsh", "create", n.domain(t, "plain"))
	guest := n.qemu(t, "plain")

	for _, signal := range []string{"HUP", "QUIT", "KILL"} {
		t.Run("SIG"+signal, func(t *testing.T) {
			n.cutAtEachStep(t, signal, func(t *testing.T, command string) { n.cut(t, command) })
		})
	}
	if now := n.qemu(t, "plain"); now != guest {
		t.Errorf("the guest was process %s, now %s", guest, now)
	}
	t.Run("power", func(t *testing.T) {
		n.cutAtEachStep(t, "power", func(t *testing.T, command string) { n.powerCut(t, command) })
	})
	t.Run("power, files not whole", func(t *testing.T) { n.torn(t) })
}

// commandLine is that of enable or disable.
func commandLine(command string) []string {
	if command == "enable" {
		return []string{"virt-netboot", "enable", "--yes"}
	}
	return []string{"virt-netboot", command}
}

// cutAtEachStep enables and disables the node in turn, and has each cut at the next of
// its calls of systemctl, between which all else happens; the last time after the last
// call.
func (n *node) cutAtEachStep(t *testing.T, signal string, cut func(t *testing.T, command string)) {
	t.Helper()
	calls := map[string]int{}
	for _, command := range []string{"enable", "disable"} {
		calls[command] = n.callsOf(t, command)
	}
	for at := 1; at <= max(calls["enable"], calls["disable"])+1; at++ {
		for _, command := range []string{"enable", "disable"} {
			when, call := "before", at
			switch {
			case at == calls[command]+1:
				when, call = "after", at-1
			case at > calls[command], signal == "power" && at > 2:
				// Between other calls nothing changes on the disk.
				n.run(t, commandLine(command)...)
				continue
			}
			t.Run(fmt.Sprintf("%s %s call %d", command, when, call), func(t *testing.T) {
				n.arm(t, signal, when, call)
				cut(t, command)
				n.is(t, command)
				n.run(t, commandLine(command)...)
				n.is(t, command)
			})
			if t.Failed() {
				t.Log(n.try("journalctl", "--no-pager", "--output=short-precise", "--lines=80"))
				t.FailNow()
			}
		}
	}
}

// callsOf counts how often a command has systemctl called.
func (n *node) callsOf(t *testing.T, command string) int {
	t.Helper()
	n.arm(t, "none", "before", 1000)
	n.run(t, commandLine(command)...)
	return strings.Count(n.read(t, "/run/cut/calls"), "\n")
}

func (n *node) arm(t *testing.T, signal, when string, at int) {
	t.Helper()
	n.shell(t, fmt.Sprintf("rm -rf /run/cut; mkdir /run/cut; cd /run/cut; echo %s >signal; echo %s >when; echo %d >at", signal, when, at))
}

// start runs a command until it is cut, or done.
func (n *node) startChange(t *testing.T, command string) (wait func() error) {
	t.Helper()
	cmd := n.command("sh", "-euc", "echo $$ >/run/cut/client; exec "+strings.Join(commandLine(command), " "))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd.Wait
}

// cut runs a command that a signal ends, and waits.
func (n *node) cut(t *testing.T, command string) {
	t.Helper()
	if err := n.startChange(t, command)(); err == nil {
		t.Errorf("the command was not cut")
	}
	await(t, "what was cut to be finished", func() error {
		if _, err := os.Lstat(n.path(intentPath)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is still there (%v)", intentPath, err)
		}
		return nil
	})
}

// powerCut runs a command until the power fails, and boots.
func (n *node) powerCut(t *testing.T, command string) {
	t.Helper()
	wait := n.startChange(t, command)
	await(t, "the step before which the power fails", func() error {
		_, err := os.Lstat(n.path("/run/cut/power"))
		return err
	})
	n.Kill()
	_ = wait()
	n.start(t, "running", "degraded")
}

// is waits until clients get to libvirt, on the way that the command is for, and
// nothing is left of a change.
func (n *node) is(t *testing.T, command string) {
	t.Helper()
	await(t, "clients to get to libvirt", func() error {
		_, err := n.try("virsh", "version")
		return err
	})
	n.stands(t, command+"d: ")
	listens := n.run(t, "systemctl", "show", "--property=Listen", "--value", "virt-netboot.socket")
	if got := strings.Contains(listens, usualSocket+" "); got != (command == "enable") {
		t.Errorf("after %s the gateway listens on %s", command, listens)
	}
	if failed := n.run(t, "systemctl", "list-units", "--failed", "--plain", "--no-legend"); failed != "" {
		t.Errorf("failed units:\n%s", failed)
	}
}

// torn boots with files that a power cut has left empty or half written, as they are
// where another program writes them.
func (n *node) torn(t *testing.T) {
	n.run(t, commandLine("enable")...)
	const empty, half = ": >%s", "truncate -s 40 %s"
	intent := `echo '{"daemon":"libvirtd","mode":"enforce"}' >` + intentPath
	for _, test := range []struct{ name, files, want string }{
		{"libvirt's drop-in is empty", fmt.Sprintf(empty, libvirtDropIn), "enable"},
		{"the gateway's drop-in is half", fmt.Sprintf(half, gatewayDropIn), "enable"},
		{"both are empty, in the middle of enable", fmt.Sprintf(empty+"; "+empty+"; %s", libvirtDropIn, gatewayDropIn, intent), "enable"},
		{"the intent is empty", fmt.Sprintf(empty, intentPath), "disable"},
		{"all are half", intent + fmt.Sprintf("; "+half+"; "+half+"; truncate -s 5 %s", libvirtDropIn, gatewayDropIn, intentPath), "disable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			// No unit of ours is there to finish it before the power fails.
			n.shell(t, "systemctl stop virt-netboot-takeover.path; mkdir -p /var/lib/virt-netboot; "+test.files)
			n.Kill()
			n.start(t, "running", "degraded")
			n.is(t, test.want)
			n.run(t, commandLine("enable")...)
			n.is(t, "enable")
		})
	}
}
