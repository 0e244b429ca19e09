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

const bypassesPath = "/run/virt-netboot/bypasses"

// TestBypass: only an agent that cannot start or crashes is bypassed, and for no longer
// than it has to be.
func TestBypass(t *testing.T) {
	n := boot(t, tree(t))
	n.write(t, "/etc/apt/sources.list", "deb [trusted=yes] file:/srv/repository ./\n")
	n.publish(t, build(t, "1.0.0"))
	n.apt(t, "install", "virt-netboot")
	n.shell(t, "ip link add br-tenant type bridge; truncate -s 1M "+disk)
	n.run(t, "virt-netboot", "enable", "--yes")
	n.takenOver(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(n.try("journalctl", "--no-pager", "--output=short-precise", "--lines=120", "--unit=virt-netboot*"))
		}
	})

	t.Run("five restarts in ten seconds", func(t *testing.T) {
		n.shell(t, "for i in 1 2 3 4 5; do systemctl restart virt-netboot; done")
		n.neverBypassed(t)
	})
	// A signal that the agent does not hear, after which systemd kills it soon.
	const slowStop = "/etc/systemd/system/virt-netboot.service.d/stop.conf"
	n.write(t, slowStop, "[Service]\nKillSignal=SIGWINCH\nRestartKillSignal=SIGWINCH\nTimeoutStopSec=2\n")
	n.run(t, "systemctl", "daemon-reload")
	t.Run("a restart whose stop takes too long", func(t *testing.T) {
		n.run(t, "systemctl", "restart", "virt-netboot")
		if log := n.run(t, "journalctl", "--unit=virt-netboot", "--output=cat"); !strings.Contains(log, "timed out. Killing.") {
			t.Errorf("its stop took not too long, so that this tests nothing:\n%s", log)
		}
		n.neverBypassed(t)
	})
	t.Run("a stop that takes too long", func(t *testing.T) {
		n.shell(t, "systemctl stop virt-netboot || true")
		if state := n.shell(t, "systemctl is-active virt-netboot || true"); strings.TrimSpace(state) != "failed" {
			t.Errorf("the agent is %s, so that this tests nothing", state)
		}
		n.run(t, "virsh", "version") // its socket starts it again
		n.neverBypassed(t)
	})
	n.run(t, "rm", slowStop)
	n.run(t, "systemctl", "daemon-reload")
	t.Run("a mistake in the configuration", func(t *testing.T) {
		old := n.read(t, configPath)
		n.write(t, configPath, "rules: nonsense\n")
		n.shell(t, "systemctl restart virt-netboot || true")
		n.bypassed(t)
		if out, err := n.try("virt-netboot", "status"); err == nil || !strings.Contains(err.Error(), "but bypassed: the agent does not run") {
			t.Errorf("status does not say it: %v\n%s", err, out)
		}
		n.write(t, configPath, old)
		n.endsBypass(t, 1)
	})
	t.Run("crashes", func(t *testing.T) {
		for range 3 {
			n.shell(t, "until systemctl --quiet is-active virt-netboot || test -L /run/virt-netboot/libvirt-sock; do sleep 0.1; done; systemctl kill --kill-whom=main --signal=KILL virt-netboot || true")
		}
		await(t, "the bypass", func() error { return n.bypasses(2) })
		n.endsBypass(t, 2)
	})
	t.Run("enabled once more meanwhile", func(t *testing.T) {
		old := n.read(t, configPath)
		n.write(t, configPath, "rules: nonsense\n")
		n.shell(t, "systemctl restart virt-netboot || true")
		n.bypassed(t)
		n.write(t, configPath, old)
		n.run(t, "virt-netboot", "enable", "--yes")
		n.takenOver(t)
	})
	t.Run("disabled meanwhile", func(t *testing.T) {
		old := n.read(t, configPath)
		n.write(t, configPath, "rules: nonsense\n")
		n.shell(t, "systemctl restart virt-netboot || true")
		n.bypassed(t)
		if _, err := n.try("virt-netboot", "disable"); err == nil || !strings.Contains(err.Error(), "nonsense") {
			t.Errorf("it does not tell of the mistake: %v", err)
		}
		info, err := os.Lstat(n.path(usualSocket))
		if err != nil || info.Mode().Type() != fs.ModeSocket {
			t.Errorf("%s is not libvirt's own: %v %v", usualSocket, info, err)
		}
		n.run(t, "virsh", "version")
		n.write(t, configPath, old)
		n.run(t, "virt-netboot", "disable")
		n.stands(t, "disabled: ")
	})
}

// neverBypassed fails the test unless clients get to libvirt through the gateway, and
// nothing has changed that since.
func (n *node) neverBypassed(t *testing.T) {
	t.Helper()
	await(t, "systemd to settle", func() error {
		out := n.shell(t, "systemctl list-jobs --no-legend; systemctl list-units --no-legend --state=activating,deactivating 'virt-netboot*'; "+
			"test -e "+bypassesPath+" || systemctl list-units --no-legend --state=active virt-netboot-bypass.service")
		if strings.TrimSpace(out) != "" {
			return errors.New(out)
		}
		return nil
	})
	n.takenOver(t)
	if _, err := os.Stat(n.path(bypassesPath)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was bypassed: %v", err)
	}
}

// bypasses is the error unless there have been so many.
func (n *node) bypasses(want int) error {
	text, err := os.ReadFile(n.path(bypassesPath))
	if err == nil && strings.Count(string(text), "\n") != want {
		err = fmt.Errorf("there were the bypasses\n%s", text)
	}
	return err
}

// endsBypass waits until the bypass has ended, without help, after so many since the boot.
func (n *node) endsBypass(t *testing.T, count int) {
	t.Helper()
	n.takenOver(t)
	await(t, "the bypass to end, once the agent has run for half a minute", func() error {
		if state := strings.TrimSpace(n.shell(t, "systemctl is-active virt-netboot-bypass || true")); state != "inactive" {
			return errors.New(state)
		}
		return nil
	})
	n.green(t, "virt-netboot.socket", "virt-netboot.service")
	if err := n.bypasses(count); err != nil {
		t.Error(err)
	}
	metrics := n.run(t, "python3", "-c", `import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:9178/metrics").read().decode())`)
	if want := fmt.Sprintf("\nvirt_netboot_bypasses_total %d\n", count); !strings.Contains(metrics, want) {
		t.Errorf("the metrics do not have %q", want)
	}
}
