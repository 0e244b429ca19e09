//go:build packages

package packages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// node is a Debian machine in a container, with a network of its own that leads
// nowhere. What is written to it is gone with the test.
type node struct {
	root    string // the directory that it runs in
	nspawn  *exec.Cmd
	pid1    int
	address string // in the network that link makes
}

// boot starts a node and waits until systemd has started everything.
func boot(t *testing.T, tree string) *node {
	t.Helper()
	// Not on a tmpfs: libvirt opens disks with O_DIRECT.
	dir, err := os.MkdirTemp("/var/tmp", "virt-netboot-node-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	root, unmount := overlay(t, tree, dir)
	t.Cleanup(unmount)
	n := &node{root: root}
	t.Cleanup(func() {
		if n.pid1 != 0 {
			_ = syscall.Kill(n.pid1, syscall.SIGKILL) // its processes go with it
		}
		if n.nspawn != nil {
			_ = n.nspawn.Process.Signal(syscall.SIGTERM)
			_ = n.nspawn.Wait()
		}
	})
	n.start(t, "running")
	return n
}

// reboot reboots the node and waits until systemd has started everything, or has
// failed to. What was in /run is gone, and network devices are.
func (n *node) reboot(t *testing.T) {
	t.Helper()
	// While all else is stopped, systemd may end the guests before they are saved.
	n.run(t, "systemctl", "stop", "libvirt-guests.service")
	_, _ = n.try("systemctl", "reboot") // may be killed with all else
	old := n.nspawn
	n.nspawn, n.pid1 = nil, 0
	ended := make(chan error, 1)
	go func() { ended <- old.Wait() }()
	select {
	case err := <-ended:
		if code := old.ProcessState.ExitCode(); code != 133 { // systemd-nspawn@.service: to be started again
			t.Fatalf("the node ended with %d (%v), for a reboot", code, err)
		}
	case <-time.After(2 * time.Minute):
		_ = old.Process.Kill()
		t.Fatal("the node does not shut down")
	}
	n.start(t, "running", "degraded")
}

// start starts the node and waits until systemd says that it is in one of the states.
func (n *node) start(t *testing.T, states ...string) {
	t.Helper()
	cmd := exec.Command("systemd-nspawn", "--quiet", "--boot", "--directory="+n.root, "--machine="+filepath.Base(filepath.Dir(n.root)),
		"--register=no", "--keep-unit", "--private-network", "--capability=all", "--console=pipe")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.nspawn = cmd
	await(t, "the node's PID 1", func() error {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
		if err != nil {
			return err
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(children)))
		if err != nil {
			return err
		}
		// The first child only makes the node, and leaves.
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err == nil && !regexp.MustCompile(`(?m)^NSpid:\t.*\t1$`).Match(status) {
			err = fmt.Errorf("process %d is not PID 1 of a node:\n%s", pid, status)
		}
		if err == nil {
			n.pid1 = pid
		}
		return err
	})
	await(t, "the node's start", func() error {
		out, err := n.command("systemctl", "is-system-running").Output()
		if state := strings.TrimSpace(string(out)); !slices.Contains(states, state) {
			return fmt.Errorf("it is %q (%v)", state, err)
		}
		return nil
	})
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

// command is a program that runs in the node.
func (n *node) command(args ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{"--target", strconv.Itoa(n.pid1), "--all", "--"}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	return cmd
}

// as is a program that runs in the node as a user, without a terminal.
func (n *node) as(user string, args ...string) *exec.Cmd {
	return n.command(append([]string{"setpriv", "--reuid=" + user, "--regid=" + user, "--init-groups", "--reset-env"}, args...)...)
}

func (n *node) try(args ...string) (string, error) { return output(n.command(args...)) }

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

// path is where a file of the node is here. Its /run is a file system of its own.
func (n *node) path(name string) string { return fmt.Sprintf("/proc/%d/root%s", n.pid1, name) }

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
	deadline := time.Now().Add(time.Minute)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
