//go:build openstack

package openstack

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/virt-netboot/virt-netboot/e2e/nspawn"
)

// Driver is what connects instances: Neutron's mechanism driver, and its firewall.
type Driver string

const (
	LinuxBridge Driver = "linuxbridge"
	OpenVSwitch Driver = "openvswitch" // with firewall_driver = openvswitch
	Hybrid      Driver = "hybrid"      // openvswitch with firewall_driver = iptables_hybrid
	OVN         Driver = "ovn"
)

// mechanism is the driver's name in ml2's mechanism_drivers.
func (d Driver) mechanism() string {
	if d == Hybrid {
		return string(OpenVSwitch)
	}
	return string(d)
}

// packages are OpenStack's, and what tenants' servers need.
const packages = "mariadb-server rabbitmq-server memcached keystone glance-api placement-api " +
	"nova-api nova-scheduler nova-conductor nova-compute-qemu " +
	"neutron-server neutron-api neutron-rpc-server neutron-linuxbridge-agent neutron-openvswitch-agent " +
	"neutron-dhcp-agent openvswitch-switch ovn-central ovn-host " +
	"python3-pymysql python3-memcache dnsmasq-base dnsmasq-utils isc-dhcp-server ebtables iptables ipset conntrack " +
	"iputils-ping ethtool tcpdump sudo"

//go:embed files
var files embed.FS

// Cloud is an OpenStack that runs.
type Cloud struct {
	*nspawn.Node
	Driver   Driver
	Operator *API // of the project admin
	Tenant   *API // of the project lab
	say      func(string)
}

// Open starts a cloud. What takes long is told to say, with the time that it took.
func Open(ctx context.Context, driver Driver, say func(string)) (_ *Cloud, err error) {
	layers, err := layers(ctx, say)
	if err != nil {
		return nil, err
	}
	node, err := nspawn.New(layers)
	if err != nil {
		return nil, err
	}
	c := &Cloud{Node: node, Driver: driver, say: say}
	node.EndWith(ctx)
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("starting a cloud with %s: %w\n%s", driver, err, c.Logs()), c.Close())
		}
	}()
	if err := hasDriver(node.Root(), driver); err != nil {
		return nil, err
	}
	if err := putFiles(node.Root()); err != nil {
		return nil, err
	}
	if err := inTree(node.Root(), "network.sh", string(driver)); err != nil {
		return nil, err
	}
	return c, c.timed("starting OpenStack with "+string(driver), func() error {
		if err := node.Start("running", "degraded"); err != nil {
			return err
		}
		if c.Operator, err = login(ctx, node, "admin", "admin"); err != nil {
			return err
		}
		if c.Tenant, err = login(ctx, node, "lab", "tenant"); err != nil {
			return err
		}
		return c.awaitServices(ctx)
	})
}

// ErrNoDriver is that the release's Neutron has none of that name: 26 (2025.1) has no
// Linux bridge any more.
var ErrNoDriver = errors.New("this Neutron has no such mechanism driver")

func hasDriver(root string, driver Driver) error {
	files, err := filepath.Glob(filepath.Join(root, "usr/lib/python3/dist-packages/neutron-*/entry_points.txt"))
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return fmt.Errorf("the entry points of Neutron are in %d files; want one: %v", len(files), files)
	}
	b, err := os.ReadFile(files[0])
	if err == nil && !strings.Contains(string(b), "\n"+driver.mechanism()+" = neutron.plugins.ml2.drivers.") {
		err = ErrNoDriver
	}
	return err
}

// layers are those of a configured OpenStack, from the cache where they are there.
func layers(ctx context.Context, say func(string)) (string, error) {
	c := &Cloud{say: say}
	var tree string
	err := c.timed("the Debian tree", func() (err error) {
		tree, err = nspawn.Tree(say)
		return err
	})
	if err != nil {
		return "", err
	}
	if err := c.timed("OpenStack's packages", func() (err error) {
		tree, err = nspawn.With(tree, "openstack", packages, say)
		return err
	}); err != nil {
		return "", err
	}
	source, err := cloudSource()
	if err != nil {
		return "", err
	}
	err = c.timed("databases and accounts", func() (err error) {
		tree, err = nspawn.Layer(tree, "cloud", source, say, func(root string) error { return bootstrap(ctx, root) })
		return err
	})
	return tree, err
}

// cloudSource is what the layer with the databases depends on.
func cloudSource() (string, error) {
	source := contentVersion
	for _, name := range []string{"configure.sh", "bootstrap.sh"} {
		b, err := files.ReadFile("files/" + name)
		if err != nil {
			return "", err
		}
		source += string(b)
	}
	return source, nil
}

// bootstrap makes an OpenStack of a tree with its packages.
func bootstrap(ctx context.Context, root string) error {
	if err := putFiles(root); err != nil {
		return err
	}
	if err := inTree(root, "configure.sh"); err != nil {
		return err
	}
	node := nspawn.In(root)
	defer node.Close()
	defer node.EndWith(ctx)()
	if err := node.Start("running", "degraded"); err != nil {
		return err
	}
	if _, err := node.Try("bash", "/root/files/bootstrap.sh"); err != nil {
		return err
	}
	if err := addContent(ctx, node); err != nil {
		return err
	}
	return node.Shutdown()
}

// putFiles puts the scripts into a tree.
func putFiles(root string) error {
	dir := filepath.Join(root, "root/files")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	sub, err := fs.Sub(files, "files")
	if err != nil {
		return err
	}
	return os.CopyFS(dir, sub)
}

// inTree runs one of the scripts in a tree in which nothing runs.
func inTree(root, script string, args ...string) error {
	cmd := exec.Command("chroot", append([]string{root, "bash", "/root/files/" + script}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"}
	_, err := nspawn.Output(cmd)
	return err
}

// timed says how long something took.
func (c *Cloud) timed(what string, f func() error) error {
	began := time.Now()
	err := f()
	c.say(fmt.Sprintf("%s: %s", what, time.Since(began).Round(time.Second)))
	return err
}

// awaitServices waits until nova-compute and Neutron's agents have reported, and has
// Nova take the node.
func (c *Cloud) awaitServices(ctx context.Context) error {
	agents := map[Driver]int{LinuxBridge: 2, OpenVSwitch: 2, Hybrid: 2, OVN: 1}[c.Driver]
	if err := await(ctx, "Neutron's agents", func() error { return c.Operator.agentsAlive(ctx, agents) }); err != nil {
		return err
	}
	if err := await(ctx, "nova-compute", func() error { return c.Operator.computeUp(ctx) }); err != nil {
		return err
	}
	_, err := c.Try("runuser", "-u", "nova", "--", "nova-manage", "cell_v2", "discover_hosts")
	return err
}

// serviceTime is how long a service of OpenStack's gets, on a busy machine.
const serviceTime = 6 * time.Minute

// await asks a service until check returns no error.
func await(ctx context.Context, what string, check func() error) error {
	deadline := time.Now().Add(serviceTime)
	for {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting %s for %s: %w", serviceTime, what, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// Shell runs a script in the node.
func (c *Cloud) Shell(script string) (string, error) { return c.Try("sh", "-euc", script) }

// Install installs a package of virt-netboot, and enables it.
func (c *Cloud) Install(deb string) error {
	content, err := os.ReadFile(deb)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.Path("/root/virt-netboot.deb"), content, 0o644); err != nil {
		return err
	}
	if _, err := c.Try("dpkg", "--install", "/root/virt-netboot.deb"); err != nil {
		return err
	}
	return nil
}

// Enable has virt-netboot's rules apply, and waits until Nova uses the node again.
func (c *Cloud) Enable(ctx context.Context) error {
	if _, err := c.Try("virt-netboot", "enable", "--yes"); err != nil {
		return err
	}
	return await(ctx, "nova-compute", func() error { return c.Operator.computeUp(ctx) })
}

// Logs are the ends of the logs in which the cause of a failure may be.
func (c *Cloud) Logs() string {
	out, err := c.Shell(`systemctl list-units --failed --plain --no-legend
for f in /var/log/nova/nova-*.log /var/log/neutron/*.log /var/log/keystone/*.log; do
	[ -e "$f" ] || continue
	echo "--- $f"; grep -E ' (ERROR|CRITICAL) ' "$f" | tail -n 8 | cut -c1-400
done
echo '--- journal'; journalctl --no-pager --output=short-precise --lines=25 -p warning | cut -c1-300`)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(out)
}
