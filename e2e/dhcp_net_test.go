package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// The addresses of the DHCP tests. The tenant's are those of packaging/dhcp.
const (
	novaBridge   = "br2006"
	novaServer   = "10.1.0.1"
	novaSubnet   = "10.1.0.0"
	tenantServer = "10.77.0.1"
)

// run runs a command in the lab.
func run(t *testing.T, l *lab.Lab, name string, args ...string) string {
	t.Helper()
	out, err := l.Command(t.Context(), name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// ip runs the words of a command of iproute2's.
func ip(t *testing.T, l *lab.Lab, format string, args ...any) {
	t.Helper()
	run(t, l, "ip", strings.Fields(fmt.Sprintf(format, args...))...)
}

// addNovaBridge adds a tenant's bridge as nova-network makes it, with the address
// of its DHCP server.
func addNovaBridge(t *testing.T, l *lab.Lab) {
	t.Helper()
	if err := l.AddBridge(t.Context(), novaBridge); err != nil {
		t.Fatal(err)
	}
	ip(t, l, "addr add %s/24 dev %s", novaServer, novaBridge)
}

// addMachine adds a network namespace with an interface in a bridge, which stands
// in for an instance.
func addMachine(t *testing.T, l *lab.Lab, name, bridge, device, address string) {
	t.Helper()
	port := "tap" + name[:min(len(name), 10)]
	ip(t, l, "netns add %s", name)
	ip(t, l, "link add %s type veth peer name %s netns %s", port, device, name)
	ip(t, l, "link set %s master %s up", port, bridge)
	ip(t, l, "-n %s link set lo up", name)
	ip(t, l, "-n %s addr add %s/24 dev %s", name, address, device)
	ip(t, l, "-n %s link set %s up", name, device)
	t.Cleanup(func() {
		ctx := context.Background() // the test's own has ended
		for _, args := range [][]string{{"link", "del", port}, {"netns", "del", name}} {
			if _, err := l.Command(ctx, "ip", args...); err != nil {
				t.Error(err)
			}
		}
	})
}

// server is a DHCP server that runs until the test ends.
type server struct {
	log *os.File
}

// startServer runs a server, in a network namespace unless that is empty, and
// waits until its log has the text that says that it serves.
func startServer(t *testing.T, namespace, ready string, command ...string) *server {
	t.Helper()
	if namespace != "" {
		command = append([]string{"ip", "netns", "exec", namespace}, command...)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "KEA_PIDFILE_DIR="+t.TempDir(), "KEA_LOCKFILE_DIR="+t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{log: log}
	t.Cleanup(func() { s.stop(t, cmd) })
	await(t, func() error {
		if !bytes.Contains(s.output(t), []byte(ready)) {
			return fmt.Errorf("%s: no %q in its log:\n%s", strings.Join(command, " "), ready, s.output(t))
		}
		return nil
	})
	return s
}

func (s *server) output(t *testing.T) []byte {
	text, err := os.ReadFile(s.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (s *server) stop(t *testing.T, cmd *exec.Cmd) {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	_ = cmd.Wait() // dhcpd ends with the signal
	if t.Failed() {
		t.Logf("--- %s\n%s", strings.Join(cmd.Args, " "), s.output(t))
	}
	s.log.Close()
}

// shipped is a file of packaging/dhcp.
func shipped(t *testing.T, name string) string {
	t.Helper()
	root, err := lab.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "packaging", "dhcp", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
