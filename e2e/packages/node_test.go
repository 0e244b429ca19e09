//go:build packages

package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/e2e/nspawn"
)

// node is a Debian machine in a container, whose failures are the test's.
type node struct {
	*nspawn.Node
	address string // in the network that link makes
}

// boot starts a node and waits until systemd has started everything.
func boot(t *testing.T, tree string) *node {
	t.Helper()
	made, err := nspawn.New(tree)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := made.Close(); err != nil {
			t.Error(err)
		}
	})
	n := &node{Node: made}
	n.start(t, "running")
	return n
}

// reboot reboots the node and waits until systemd has started everything, or has
// failed to. What was in /run is gone, and network devices are.
func (n *node) reboot(t *testing.T) {
	t.Helper()
	// While all else is stopped, systemd may end the guests before they are saved.
	n.run(t, "systemctl", "stop", "libvirt-guests.service")
	if err := n.Reboot(); err != nil {
		t.Fatal(err)
	}
}

// start starts the node and waits until systemd says that it is in one of the states.
func (n *node) start(t *testing.T, states ...string) {
	t.Helper()
	if err := n.Start(states...); err != nil {
		t.Fatal(err)
	}
}

// outlivesReboots has systemd make the tenant's bridge, and libvirt-guests save and
// restore the guests that run.
func (n *node) outlivesReboots(t *testing.T) {
	t.Helper()
	n.write(t, "/etc/systemd/system/br-tenant.service", `[Unit]
Before=libvirtd.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip link add br-tenant type bridge
[Install]
WantedBy=multi-user.target
`)
	n.run(t, "systemctl", "enable", "--quiet", "--now", "br-tenant.service")
	n.write(t, "/etc/default/libvirt-guests", "ON_BOOT=start\nON_SHUTDOWN=suspend\n")
}

func (n *node) command(args ...string) *exec.Cmd { return n.Command(args...) }

// as is a program that runs in the node as a user, without a terminal.
func (n *node) as(user string, args ...string) *exec.Cmd {
	return n.command(append([]string{"setpriv", "--reuid=" + user, "--regid=" + user, "--init-groups", "--reset-env"}, args...)...)
}

func (n *node) try(args ...string) (string, error) { return n.Try(args...) }

// run runs a program in the node, which must succeed.
func (n *node) run(t *testing.T, args ...string) string {
	t.Helper()
	return run(t, n.command(args...))
}

// shell runs a script in the node, which must succeed.
func (n *node) shell(t *testing.T, script string) string {
	t.Helper()
	return n.run(t, "sh", "-euc", script)
}

func (n *node) path(name string) string { return n.Path(name) }

func (n *node) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(n.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(n.path(name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (n *node) read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(n.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// await waits until check returns no error, for a minute at most.
func await(t *testing.T, what string, check func() error) {
	t.Helper()
	if err := nspawn.Await(what, time.Minute, check); err != nil {
		t.Fatal(err)
	}
}
