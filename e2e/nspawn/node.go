//go:build packages || openstack

package nspawn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Node is a Debian machine in a container, with a network of its own that leads
// nowhere. What is written to it is gone when it is closed.
type Node struct {
	// Plug, where it is set, gives the node its network devices at each start. PID 1 has
	// the namespace that they go to.
	Plug func(pid1 int) error

	dir     string // has the layer that the node writes to
	root    string // the directory that it runs in
	unmount func() error
	nspawn  *exec.Cmd
	pid1    atomic.Int32 // as this machine numbers it; 0 where nothing runs
}

// New is a node that is not started, on the layers of a tree.
func New(tree string) (*Node, error) {
	// Not on a tmpfs: libvirt opens disks with O_DIRECT.
	dir, err := os.MkdirTemp("/var/tmp", "virt-netboot-node-")
	if err != nil {
		return nil, err
	}
	n := &Node{dir: dir}
	n.root, n.unmount, err = overlay(tree, dir)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return n, nil
}

// In is a node that is not started, in a tree that is the caller's.
func In(root string) *Node {
	return &Node{root: root, unmount: func() error { return nil }}
}

// Close ends the node and removes what it wrote.
func (n *Node) Close() error {
	n.Kill()
	err := n.unmount()
	if n.dir != "" {
		err = errors.Join(err, os.RemoveAll(n.dir))
	}
	return err
}

// Kill ends the node with no word to what runs in it, as a power cut does.
func (n *Node) Kill() {
	n.killPID1()
	if n.nspawn != nil {
		_ = n.nspawn.Process.Signal(syscall.SIGTERM)
		_ = n.nspawn.Wait()
	}
	n.nspawn = nil
	n.pid1.Store(0)
}

// killPID1 ends all processes of the node.
func (n *Node) killPID1() {
	if pid := n.pid1.Load(); pid != 0 {
		_ = syscall.Kill(int(pid), syscall.SIGKILL)
	}
}

// EndWith ends what runs in the node when ctx ends, so that all that waits for it fails.
// The caller closes the node all the same.
func (n *Node) EndWith(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, n.killPID1)
}

// Reboot reboots the node and waits until systemd has started everything, or has
// failed to. What was in /run is gone, and network devices are.
func (n *Node) Reboot() error {
	code, err := n.end("reboot")
	if err != nil {
		return err
	}
	if code != 133 { // systemd-nspawn@.service: to be started again
		return fmt.Errorf("the node ended with %d, for a reboot", code)
	}
	return n.Start("running", "degraded")
}

// Shutdown stops what runs in the node and ends it.
func (n *Node) Shutdown() error {
	_, err := n.end("poweroff")
	return err
}

// end has systemd end the node, and returns nspawn's exit status.
func (n *Node) end(verb string) (int, error) {
	_, _ = n.Try("systemctl", verb) // may be killed with all else
	old := n.nspawn
	n.nspawn = nil
	n.pid1.Store(0)
	ended := make(chan struct{})
	go func() { _ = old.Wait(); close(ended) }()
	select {
	case <-ended:
		return old.ProcessState.ExitCode(), nil
	case <-time.After(2 * time.Minute):
		_ = old.Process.Kill()
		return 0, errors.New("the node does not shut down")
	}
}

// Start starts the node and waits until systemd says that it is in one of the states.
func (n *Node) Start(states ...string) error {
	cmd := exec.Command("systemd-nspawn", "--quiet", "--boot", "--directory="+n.root, "--machine="+filepath.Base(filepath.Dir(n.root)),
		"--register=no", "--keep-unit", "--private-network", "--capability=all", "--console=pipe")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true} // Ctrl-C is not the node's
	if err := cmd.Start(); err != nil {
		return err
	}
	n.nspawn = cmd
	if err := Await("the node's PID 1", time.Minute, func() error {
		pid, err := pid1Of(cmd.Process.Pid)
		n.pid1.Store(int32(pid))
		return err
	}); err != nil {
		return err
	}
	if n.Plug != nil {
		if err := n.Plug(n.PID1()); err != nil {
			return err
		}
	}
	return Await("the node's start", startTime, func() error {
		if syscall.Kill(n.PID1(), 0) != nil {
			return errEnded
		}
		out, err := n.Command("systemctl", "is-system-running").Output()
		if state := strings.TrimSpace(string(out)); !slices.Contains(states, state) {
			return fmt.Errorf("it is %q (%v)", state, err)
		}
		return nil
	})
}

// startTime is how long a node with all of OpenStack gets to start on a busy machine.
const startTime = 8 * time.Minute

// pid1Of is the container's PID 1 as this machine numbers it, or 0.
func pid1Of(nspawn int) (int, error) {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", nspawn, nspawn))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(children)))
	if err != nil {
		return 0, err
	}
	// The first child only makes the node, and leaves.
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err == nil && !regexp.MustCompile(`(?m)^NSpid:\t.*\t1$`).Match(status) {
		err = fmt.Errorf("process %d is not PID 1 of a node:\n%s", pid, status)
	}
	if err != nil {
		return 0, err
	}
	return pid, nil
}

// PID1 is the process with which the node's namespaces can be entered.
func (n *Node) PID1() int { return int(n.pid1.Load()) }

// Root is the node's directory, before it starts.
func (n *Node) Root() string { return n.root }

// Command is a program that runs in the node.
func (n *Node) Command(args ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{"--target", strconv.Itoa(n.PID1()), "--all", "--"}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // nsenter stops where Ctrl-C ends its child
	return cmd
}

// Try runs a program in the node and returns its standard output.
func (n *Node) Try(args ...string) (string, error) { return Output(n.Command(args...)) }

// Path is where a file of the node is here. Its /run is a file system of its own.
func (n *Node) Path(name string) string { return fmt.Sprintf("/proc/%d/root%s", n.PID1(), name) }

// errEnded is that a node's PID 1 is gone. What waits for the node gives up.
var errEnded = errors.New("the node has ended")

// Await waits until check returns no error.
func Await(what string, limit time.Duration, check func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) || errors.Is(err, errEnded) {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
