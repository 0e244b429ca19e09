package network

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// Machine is a network namespace with one interface in a bridge: it stands in for
// an instance that runs servers.
type Machine struct {
	Name, Bridge string
	// Device is its interface's name, Address that one's in its /24.
	Device, Address string
}

// port is the machine's interface as the bridge sees it.
func (m Machine) port() string { return "tap" + m.Name[:min(len(m.Name), 10)] }

// Add adds the machine.
func (m Machine) Add(ctx context.Context, l *lab.Lab) error {
	return ip(ctx, l,
		"netns add "+m.Name,
		fmt.Sprintf("link add %s type veth peer name %s netns %s", m.port(), m.Device, m.Name),
		fmt.Sprintf("link set %s master %s up", m.port(), m.Bridge),
		fmt.Sprintf("-n %s link set lo up", m.Name),
		fmt.Sprintf("-n %s addr add %s/24 dev %s", m.Name, m.Address, m.Device),
		fmt.Sprintf("-n %s link set %s up", m.Name, m.Device))
}

// Remove removes the machine.
func (m Machine) Remove(ctx context.Context, l *lab.Lab) error {
	return ip(ctx, l, "link del "+m.port(), "netns del "+m.Name)
}

// StartWeb starts a web server in the machine, with files by their names.
func (m Machine) StartWeb(ctx context.Context, files map[string]string) (*Server, error) {
	dir, err := serverDir()
	if err != nil {
		return nil, err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return Start(ctx, m.Name, webReady, "python3", "-u", "-m", "http.server", "80",
		"--bind", m.Address, "--directory", dir)
}

// StartTFTP starts a TFTP server in the machine, with the files of a directory.
func (m Machine) StartTFTP(ctx context.Context, files string) (*Server, error) {
	return Start(ctx, m.Name, tftpReady, "dnsmasq", "--keep-in-foreground", "--log-facility=-",
		"--conf-file=/dev/null", "--pid-file=", "--port=0", "--enable-tftp", "--tftp-root="+files)
}

// ip runs commands of iproute2's.
func ip(ctx context.Context, l *lab.Lab, commands ...string) error {
	for _, command := range commands {
		if _, err := l.Command(ctx, "ip", strings.Fields(command)...); err != nil {
			return err
		}
	}
	return nil
}
