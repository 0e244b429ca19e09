//go:build packages

package packages

import (
	"errors"
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
// cloud-init itself, in a network whose OpenStack answers all clients but those. Guests
// boot the tenant's script then. It is the same after reboots, and an interface in
// another network has no server on it.
func TestTenant(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Fatal("a container needs root")
	}
	tree, err := nspawn.Image(func(text string) { t.Log(text) }, imagePackages, tenantPackages)
	if err != nil {
		t.Fatal(err)
	}
	c := newCloud(t)
	c.startOpenStack(t)
	n := made(t, tree)
	n.Plug = c.plug
	n.seed(t)
	n.start(t, "running", "degraded")
	step := func(name string, f func(t *testing.T)) {
		if !t.Run(name, f) {
			t.Log(n.try("journalctl", "--no-pager", "--output=short-precise", "--lines=60"))
			t.FailNow()
		}
	}
	step("cloud-init", func(t *testing.T) {
		n.run(t, "cloud-init", "schema", "--config-file", "/var/lib/cloud/seed/nocloud/user-data")
		if out := n.run(t, "cloud-init", "status", "--wait", "--long"); !strings.Contains(out, "status: done") {
			t.Errorf("it says\n%s", out)
		}
		c.serves(t, n)
	})
	step("a BIOS guest", func(t *testing.T) { c.boots(t, n, nil, "/bios.ipxe", "/boot.ipxe") })
	step("a UEFI guest without an option ROM", func(t *testing.T) {
		// OVMF would try IPv6 and HTTP for a minute each.
		c.boots(t, n, []string{
			"-bios", "/usr/share/ovmf/OVMF.fd", "-device", "virtio-rng-pci",
			"-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n",
		}, "/x64.ipxe", "/boot.ipxe")
	})
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
	step("another interface", func(t *testing.T) {
		c.bridges = append(c.bridges, otherBridge)
		if err := n.Reboot(); err != nil {
			t.Fatal(err)
		}
		// Which of them is the tenant's? It does not guess.
		await(t, "netboot.service to fail", func() error {
			_, err := n.try("sh", "-c", "journalctl --boot --unit=netboot.service | grep 'set INTERFACE in /etc/netboot/settings to one of eth0 eth1'")
			return err
		})
		if diff := cmp.Diff(c.openStackAlone(), c.ask(t, clientsDevice)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		n.shell(t, "sed -i s/^INTERFACE=.*/INTERFACE=eth0/ /etc/netboot/settings")
		if err := n.Reboot(); err != nil {
			t.Fatal(err)
		}
		c.serves(t, n)
		n.run(t, "ip", "addr", "add", otherFixedIP+"/24", "dev", "eth1")
		n.run(t, "ip", "link", "set", "eth1", "up")
		for name, answer := range c.ask(t, othersDevice) {
			if answer != "" {
				t.Errorf("%s gets %q in the other network", name, answer)
			}
		}
		out, err := nspawn.Output(c.command("curl -sS --max-time 5 http://" + otherFixedIP + "/boot.ipxe"))
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 7 { // refused
			t.Errorf("the web server answers in the other network: %q, %v", out, err)
		}
		if out, err := nspawn.Output(c.command("curl -sS --max-time 5 tftp://" + otherFixedIP + "/boot.ipxe")); err == nil {
			t.Errorf("the TFTP server answers in the other network: %q", out)
		}
	})
	step("all clients", func(t *testing.T) {
		if err := c.openStack.Stop(); err != nil {
			t.Fatal(err)
		}
		n.shell(t, "sed -i s/^CLIENTS=.*/CLIENTS=all/ /etc/netboot/settings; systemctl restart netboot.service")
		await(t, "an offer to an ordinary client", func() error {
			if got := c.ask(t, clientsDevice)["ordinary"]; got != "OFFER" {
				return fmt.Errorf("it gets %q", got)
			}
			return nil
		})
	})
}

// made is a node that is closed with the test.
func made(t *testing.T, tree string) *node {
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
	return &node{Node: n}
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
		"etc/cloud/cloud.cfg.d/90-image.cfg":   "apt_preserve_sources_list: true\nlocale: C.UTF-8\n",
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
// dnsmasq and clients in it, and the bridge of another network.
type cloud struct {
	namespace string
	clients   []network.Client
	openStack *network.Server
	bridges   []string // that the instance is plugged into
}

const (
	tenantBridge, clientsDevice = "br-tenant", "clients"
	otherBridge, othersDevice   = "br-other", "others"
	openStackAddress            = "10.1.0.1"
	// The instance that is the tenant's server, as OpenStack knows it.
	serverFixedIP = "10.1.0.99"
	otherFixedIP  = "10.88.0.99"
)

// serverMACs are those of the instance's interfaces.
func serverMACs() []string { return []string{"fa:16:3e:00:00:99", "fa:16:3e:00:88:99"} }

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{namespace: fmt.Sprintf("virt-netboot-%d", os.Getpid()), bridges: []string{tenantBridge}}
	var err error
	if c.clients, err = network.Clients(openStackAddress); err != nil {
		t.Fatal(err)
	}
	run(t, exec.Command("ip", "netns", "add", c.namespace))
	t.Cleanup(func() { run(t, exec.Command("ip", "netns", "delete", c.namespace)) })
	for _, net := range []struct{ bridge, address, device, inform string }{
		{tenantBridge, openStackAddress, clientsDevice, network.InformAddress},
		{otherBridge, "10.88.0.1", othersDevice, "10.88.0.250"},
	} {
		for _, command := range []string{
			"link add " + net.bridge + " type bridge forward_delay 0",
			"link set " + net.bridge + " up",
			"addr add " + net.address + "/24 dev " + net.bridge,
			"link add " + net.device + " type veth peer name " + net.device + "-port",
			"link set " + net.device + "-port master " + net.bridge + " up",
			"addr add " + net.inform + "/24 dev " + net.device,
			"link set " + net.device + " up",
		} {
			run(t, c.command("ip "+command))
		}
	}
	return c
}

// command is a program in the namespace.
func (c *cloud) command(line string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", c.namespace}, strings.Fields(line)...)...)
}

// plug gives the instance an interface on each of the bridges.
func (c *cloud) plug(pid1 int) error {
	for i, bridge := range c.bridges {
		port := fmt.Sprintf("port%d", i)
		// That of before a reboot stays for a while, and answers IPv6's search for
		// another with its address.
		_, _ = nspawn.Output(c.command("ip link delete " + port))
		for _, command := range []string{
			fmt.Sprintf("ip link add %s type veth peer name eth%d address %s netns %d", port, i, serverMACs()[i], pid1),
			fmt.Sprintf("ip link set %s master %s up", port, bridge),
		} {
			if _, err := nspawn.Output(c.command(command)); err != nil {
				return err
			}
		}
	}
	return nil
}

// startOpenStack starts OpenStack's dnsmasq, which knows the instance and the clients.
func (c *cloud) startOpenStack(t *testing.T) {
	t.Helper()
	shipped, err := network.Shipped("openstack/neutron-dnsmasq.conf")
	if err != nil {
		t.Fatal(err)
	}
	conf, err := network.WithFirmware(shipped)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/run", "server-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // dnsmasq gives up root
		t.Fatal(err)
	}
	hosts := network.HostsFile(c.clients) + serverMACs()[0] + ",server," + serverFixedIP + "\n"
	for name, content := range map[string]string{"conf": conf, "hosts": hosts} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c.openStack, err = network.Start(t.Context(), c.namespace, network.DnsmasqReady, "dnsmasq", "--keep-in-foreground",
		"--log-facility=-", "--port=0", "--interface="+tenantBridge, "--bind-interfaces", "--leasefile-ro", "--pid-file="+dir+"/pid",
		"--dhcp-range=10.1.0.0,static,255.255.255.0,86400s", "--dhcp-hostsfile="+dir+"/hosts", "--conf-file="+dir+"/conf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.openStack.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// ask asks as each client from a device in the namespace.
func (c *cloud) ask(t *testing.T, device string) map[string]string {
	t.Helper()
	// The thread must live on: what it has started ends with it.
	runtime.LockOSThread()
	own, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	namespace, err := netns.GetFromName(c.namespace)
	if err != nil {
		t.Fatal(err)
	}
	defer namespace.Close()
	if err := netns.Set(namespace); err != nil {
		t.Fatal(err)
	}
	answers, err := network.Ask(device, c.clients, 3*time.Second)
	if err := netns.Set(own); err != nil {
		t.Fatal(err)
	}
	runtime.UnlockOSThread()
	if err != nil {
		t.Fatal(err)
	}
	return answers
}

// openStackAlone are the answers without a tenant's server.
func (c *cloud) openStackAlone() map[string]string { return network.OpenStackAnswers(c.clients, true) }

// serves waits until each client gets the answer that it should, of one server alone, and
// compares the files that they boot.
func (c *cloud) serves(t *testing.T, n *node) {
	t.Helper()
	want := c.openStackAlone()
	for name, answer := range network.TenantAnswers(c.clients, true) {
		want[name] += answer
	}
	await(t, "the servers", func() error {
		if diff := cmp.Diff(want, c.ask(t, clientsDevice)); diff != "" {
			return fmt.Errorf("-want +got:\n%s", diff)
		}
		return nil
	})
	for url, path := range map[string]string{
		"tftp://" + network.TenantServer + "/undionly.kpxe": "/usr/lib/ipxe/undionly.kpxe",
		"tftp://" + network.TenantServer + "/snponly.efi":   "/usr/lib/ipxe/snponly.efi",
		"tftp://" + network.TenantServer + "/boot.ipxe":     "/srv/netboot/boot.ipxe",
		"http://" + network.TenantServer + "/snponly.efi":   "/usr/lib/ipxe/snponly.efi",
		"http://" + network.TenantServer + "/bios.ipxe":     "/srv/netboot/bios.ipxe",
		"http://" + network.TenantServer + "/x64.ipxe":      "/srv/netboot/x64.ipxe",
		"http://" + network.TenantServer + "/arm64.ipxe":    "/srv/netboot/arm64.ipxe",
	} {
		if got := run(t, c.command("curl -sSf --max-time 60 "+url)); got != n.read(t, path) {
			t.Errorf("%s has %d bytes that are not those of %s", url, len(got), path)
		}
	}
}

// boots boots a guest from the network until it has got files from the web server.
func (c *cloud) boots(t *testing.T, n *node, firmware []string, files ...string) {
	t.Helper()
	const log = "/var/log/nginx/access.log"
	n.run(t, "truncate", "-s", "0", log)
	run(t, c.command("ip tuntap add guest mode tap"))
	defer run(t, c.command("ip link delete guest"))
	run(t, c.command("ip link set guest master "+tenantBridge+" up"))
	device := "virtio-net-pci,netdev=net0,mac=fa:16:3e:00:02:01,bootindex=1"
	if firmware != nil {
		device += ",romfile="
	}
	cmd := c.command("qemu-system-x86_64 -accel tcg -m 256 -display none -nic none " +
		"-netdev tap,id=net0,ifname=guest,script=no,downscript=no -device " + device)
	cmd.Args = append(cmd.Args, firmware...)
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	// Emulated, beside others.
	if err := nspawn.Await("the guest", 5*time.Minute, func() error {
		for _, file := range files {
			if got := n.read(t, log); !strings.Contains(got, fmt.Sprintf("%q 200", "GET "+file+" HTTP/1.1")) {
				return fmt.Errorf("%s has not been fetched:\n%s", file, got)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
