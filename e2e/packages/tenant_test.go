//go:build packages

package packages

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netns"

	"github.com/virt-netboot/virt-netboot/e2e/network"
	"github.com/virt-netboot/virt-netboot/e2e/nspawn"
)

const (
	// imagePackages are what a stock Debian image has besides Debian's base, as far as it
	// matters here.
	imagePackages = "cloud-init netplan.io udev iproute2 procps"
	// tenantPackages are those that the example installs.
	tenantPackages = "dnsmasq-base nginx ipxe"
	cloudConfig    = checkout + "/packaging/examples/tenant/cloud-config.yaml"
)

// TestTenant makes an instance the tenant's server by the example's user data and
// cloud-init itself, on a network where OpenStack's dnsmasq ignores what the tenant's
// server answers. Both answer as they should, before a reboot and after it, a guest boots
// the tenant's script, and the instance's other network hears nothing.
func TestTenant(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("a container needs root")
	}
	tree, err := nspawn.Image(func(text string) { t.Log(text) }, imagePackages, tenantPackages)
	if err != nil {
		t.Fatal(err)
	}
	c := newCloud(t)
	n := &node{Node: made(t, tree)}
	n.Plug = c.plug
	n.seed(t)
	n.start(t, "running", "degraded")
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(n.try("journalctl", "--no-pager", "--output=short-precise", "--lines=200"))
		}
	})
	step := func(name string, f func(t *testing.T)) {
		if !t.Run(name, f) {
			t.FailNow()
		}
	}
	step("cloud-init", func(t *testing.T) {
		n.run(t, "cloud-init", "schema", "--config-file", "/var/lib/cloud/seed/nocloud/user-data")
		if out := n.run(t, "cloud-init", "status", "--wait", "--long"); !strings.Contains(out, "status: done") {
			t.Errorf("cloud-init says\n%s", out)
		}
	})
	step("serves", func(t *testing.T) { c.serves(t, n) })
	step("a guest boots the script", c.boots)
	step("networkd restarted", func(t *testing.T) {
		n.run(t, "systemctl", "restart", "systemd-networkd.service")
		c.serves(t, n)
	})
	step("reboot", func(t *testing.T) {
		if err := n.Reboot(); err != nil {
			t.Fatal(err)
		}
		c.serves(t, n)
	})
	step("all clients", func(t *testing.T) {
		n.shell(t, "sed -i s/^CLIENTS=.*/CLIENTS=all/ /etc/netboot/settings; systemctl restart netboot.service")
		answers := c.ask(t, clientsDevice)
		if got, want := answers["ordinary"], "OFFER http"; !strings.Contains(got, "OFFER") {
			t.Errorf("an ordinary client gets %q, want %q", got, want)
		}
	})
}

// made is a node that is closed with the test.
func made(t *testing.T, tree string) *nspawn.Node {
	t.Helper()
	n, err := nspawn.New(tree)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// seed gives the node what a cloud gives an instance at its first boot. Its packages come
// from its own disk.
func (n *node) seed(t *testing.T) {
	t.Helper()
	userData, err := os.ReadFile(cloudConfig)
	if err != nil {
		t.Fatal(err)
	}
	repository := filepath.Join(n.Root(), "srv/repository")
	index := run(t, exec.Command("sh", "-euc", `cd "$1"; for deb in *.deb; do dpkg-deb --field "$deb"
		printf 'Filename: ./%s\nSize: %d\nSHA256: %s\n\n' "$deb" "$(stat --format=%s "$deb")" "$(sha256sum "$deb" | cut -d ' ' -f 1)"; done`, "index", repository))
	for name, content := range map[string]string{
		"srv/repository/Packages":              index,
		"etc/apt/sources.list":                 "deb [trusted=yes] file:/srv/repository ./\n",
		"etc/cloud/cloud.cfg.d/90-mirror.cfg":  "apt_preserve_sources_list: true\n",
		"var/lib/cloud/seed/nocloud/meta-data": "instance-id: i-0000006c\nlocal-hostname: server\n",
		"var/lib/cloud/seed/nocloud/user-data": string(userData),
		"var/lib/cloud/seed/nocloud/network-config": "version: 2\nethernets:\n" +
			"  eth0: {dhcp4: true, dhcp-identifier: mac}\n",
	} {
		path := filepath.Join(n.Root(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// cloud is a network namespace with the bridge of the tenant's network, OpenStack's
// dnsmasq and clients in it.
type cloud struct {
	namespace string
	clients   []network.Client
}

const (
	tenantBridge     = "br-tenant"
	clientsDevice    = "clients"
	openStackAddress = "10.1.0.1"
	// The instance that is the tenant's server, as OpenStack knows it.
	serverMAC, serverFixedIP = "fa:16:3e:00:00:99", "10.1.0.99"
)

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{namespace: fmt.Sprintf("virt-netboot-tenant-%d", os.Getpid())}
	var err error
	if c.clients, err = network.Clients(openStackAddress); err != nil {
		t.Fatal(err)
	}
	run(t, exec.Command("ip", "netns", "add", c.namespace))
	t.Cleanup(func() { run(t, exec.Command("ip", "netns", "delete", c.namespace)) })
	c.ip(t, "link set lo up",
		"link add "+tenantBridge+" type bridge forward_delay 0",
		"link set "+tenantBridge+" up",
		"addr add "+openStackAddress+"/24 dev "+tenantBridge,
		"link add "+clientsDevice+" type veth peer name clients-port",
		"link set clients-port master "+tenantBridge+" up",
		"addr add "+network.InformAddress+"/24 dev "+clientsDevice,
		"link set "+clientsDevice+" up")
	return c
}

// ip runs commands of ip in the namespace.
func (c *cloud) ip(t *testing.T, commands ...string) {
	t.Helper()
	for _, command := range commands {
		run(t, exec.Command("ip", append([]string{"-netns", c.namespace}, strings.Fields(command)...)...))
	}
}
