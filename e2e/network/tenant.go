package network

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// Instance is an instance of the first tenant's, as Nova writes it.
//
//go:embed instance.xml
var Instance string

const (
	// ConfFile is where nova-network's dnsmasq_config_file points.
	ConfFile = "/etc/nova/dnsmasq.conf"
	// MAC and Address are the instance's, as OpenStack's server has them.
	MAC, Address = "fa:16:3e:50:43:cd", "10.1.0.3"
	// TenantServer is the address of a tenant's own server; each tenant's is in a
	// VLAN of its own and has the same.
	TenantServer = "10.77.0.1"
	// Script is the first line that the tenant's script writes to the screen.
	Script = "this is the tenant's script, over HTTP"
)

// Tenant is the network of one tenant: the bridge of its VLAN, and the servers in it.
type Tenant struct {
	Bridge string
	// Gateway is the address of OpenStack's server.
	Gateway string

	OpenStack *Server // dnsmasq
	DHCP      *Server // the tenant's own
	Web       *Server // the tenant's own
	TFTP      *Server // the tenant's own, once it is started
	Capture   *Capture

	machine Machine
	hosts   string // of the static hosts file
}

// First is the tenant whose instance boots.
func First() *Tenant {
	t := newTenant("tenant", "br100", "10.1.0.1")
	t.hosts = MAC + ",diskless-1.novalocal," + Address + "\n"
	return t
}

// Second is another tenant, whose servers must never be asked.
func Second() *Tenant { return newTenant("neighbour", "br101", "10.2.0.1") }

func newTenant(name, bridge, gateway string) *Tenant {
	return &Tenant{Bridge: bridge, Gateway: gateway,
		machine: Machine{Name: name, Bridge: bridge, Device: "eth0", Address: TenantServer}}
}

// Open makes the network, with the configuration that the project ships on both
// sides.
func (t *Tenant) Open(ctx context.Context, l *lab.Lab) error {
	openStack, err := Shipped("openstack/nova-dnsmasq.conf")
	if err != nil {
		return err
	}
	tenants, err := Shipped("tenant/dhcpd.conf")
	if err != nil {
		return err
	}
	if err := l.AddBridge(ctx, t.Bridge); err != nil {
		return err
	}
	if err := ip(ctx, l, fmt.Sprintf("addr add %s/24 dev %s", t.Gateway, t.Bridge)); err != nil {
		return err
	}
	if err := t.machine.Add(ctx, l); err != nil {
		return err
	}
	if t.Capture, err = Listen(t.Bridge); err != nil {
		return err
	}
	if err := t.StartOpenStack(ctx, openStack); err != nil {
		return err
	}
	if err := t.StartDHCP(ctx, tenants); err != nil {
		return err
	}
	t.Web, err = t.machine.StartWeb(ctx, webFiles())
	return err
}

// HostsFile is where nova-network keeps the addresses of the tenant's instances.
func (t *Tenant) HostsFile() string {
	return "/var/lib/nova/networks/nova-" + t.Bridge + ".conf"
}

// StartOpenStack restarts OpenStack's server with the text of its configuration.
func (t *Tenant) StartOpenStack(ctx context.Context, conf string) error {
	if err := stop(t.OpenStack); err != nil {
		return err
	}
	for path, text := range map[string]string{ConfFile: conf, t.HostsFile(): t.hosts} {
		if err := put(path, text); err != nil {
			return err
		}
	}
	var err error
	t.OpenStack, err = Nova{Address: t.Gateway, ConfFile: ConfFile, HostsFile: t.HostsFile()}.Start(ctx)
	return err
}

// put writes a file, unless it is as it should be: a server that has read it would
// otherwise look older than its configuration.
func put(path, text string) error {
	if before, err := os.ReadFile(path); err == nil && string(before) == text {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// StartDHCP restarts the tenant's server with the text of its configuration.
func (t *Tenant) StartDHCP(ctx context.Context, conf string) error {
	if err := stop(t.DHCP); err != nil {
		return err
	}
	var err error
	t.DHCP, err = StartDHCPD(ctx, t.machine.Name, "", conf)
	return err
}

// StartTFTP starts a TFTP server of the tenant's, with the iPXEs that Debian ships.
func (t *Tenant) StartTFTP(ctx context.Context) error {
	var err error
	t.TFTP, err = t.machine.StartTFTP(ctx, "/usr/lib/ipxe")
	return err
}

// Close stops the servers.
func (t *Tenant) Close() error {
	errs := []error{stop(t.OpenStack), stop(t.DHCP), stop(t.Web), stop(t.TFTP)}
	if t.Capture != nil {
		errs = append(errs, t.Capture.Close())
	}
	return errors.Join(errs...)
}

func stop(s *Server) error {
	if s == nil {
		return nil
	}
	return s.Stop()
}

// webFiles are what the tenant's web server has. Under BIOS the script boots a
// kernel, which writes to the serial line; the lab has none for UEFI.
func webFiles() map[string]string {
	const begin = "#!ipxe\necho " + Script + "\nimgfetch http://" + TenantServer + "/hello?from=${net0/mac}&platform=${platform}\n"
	return map[string]string{
		"bios.ipxe": begin + "imgfree\nkernel http://" + TenantServer + "/kernel\nboot\n",
		"x64.ipxe":  begin + "shell\n",
		"hello":     "hello\n",
		"kernel":    string(lab.Kernel()),
	}
}

// Shipped is the text of a file in packaging/dhcp.
func Shipped(name string) (string, error) {
	root, err := lab.Root()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(root, "packaging", "dhcp", name))
	return string(text), err
}

// WithFirmware takes away the marks before the lines of a shipped file that are for
// firmware.
func WithFirmware(conf string) (string, error) {
	with := regexp.MustCompile(`(?m)^( *)(?://|#)([^ \n])`).ReplaceAllString(conf, "$1$2")
	if with == conf {
		return "", errors.New("no line is for firmware")
	}
	return with, nil
}
