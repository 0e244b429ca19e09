//go:build packages

package packages

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNothingUnasked installs the package on a node with running guests of two tenants
// that have filters. Nothing of libvirt's, Nova's or the kernel's rules differs before
// virt-netboot enable, nor after virt-netboot disable --revert and a purge.
func TestNothingUnasked(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Fatal("a container needs root")
	}
	n := boot(t, tree(t))
	n.write(t, "/etc/apt/sources.list", "deb [trusted=yes] file:/srv/repository ./\n")
	n.publish(t, build(t, "1.0.0"))
	n.addNova(t)
	n.novasFile(t)
	n.write(t, "/etc/nova/libvirt.xml.template", novaTemplate)
	n.shell(t, "ip link add br-tenant type bridge")
	guests := []string{"lab-1", "prod-1"}
	for _, name := range guests {
		n.startTenants(t, name)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(n.try("journalctl", "--no-pager", "--output=short-precise", "--lines=80"))
		}
	})
	libvirtd := n.daemon(t)
	before, files := n.rules(t, guests), n.files(t)
	same := func(when string) {
		t.Helper()
		if diff := cmp.Diff(before, n.rules(t, guests)); diff != "" {
			t.Errorf("%s: -before +now:\n%s", when, diff)
		}
	}

	n.apt(t, "install", "virt-netboot")
	n.stands(t, "disabled: ")
	// Once the agent has looked at each domain, it has done all that it does.
	await(t, "the agent to say what it would do", func() error {
		out, err := n.try("virt-netboot", "status")
		if err == nil && strings.Count(out, ": would change: boot order") < len(guests) {
			err = fmt.Errorf("it says\n%s", out)
		}
		return err
	})
	same("installed")
	if now := n.daemon(t); now != libvirtd {
		t.Errorf("libvirtd was process %s, now %s: it was restarted", libvirtd, now)
	}

	if out, err := n.try("virt-netboot", "enable"); err == nil || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("without a terminal it does not ask for --yes: %v\n%s", err, out)
	}
	if steps := n.run(t, "virt-netboot", "enable", "--dry-run"); !strings.Contains(steps, "systemctl stop libvirtd.socket") {
		t.Errorf("the steps are\n%s", steps)
	}
	same("asked about it")

	documents := n.documents(t, guests)
	config := n.read(t, configPath)
	said := n.run(t, "virt-netboot", "enable", "--yes", "--diff")
	for _, want := range []string{"2 domains: 2 to change", "-      <filterref", "enabled: " + usualSocket + " is the gateway's"} {
		if !strings.Contains(said, want) {
			t.Errorf("enable does not say %q:\n%s", want, said)
		}
	}
	if diff := cmp.Diff(strings.Replace(config, "\nmode: observe\n", "\nmode: enforce\n", 1), n.read(t, configPath)); diff != "" {
		t.Errorf("the configuration: -want +got:\n%s", diff)
	}
	await(t, "the agent to leave what was there", func() error {
		out, err := n.try("virt-netboot", "status")
		if err == nil && strings.Count(out, ": kept (existing: keep): boot order") < len(guests) {
			err = fmt.Errorf("it says\n%s", out)
		}
		return err
	})
	if diff := cmp.Diff(documents, n.documents(t, guests)); diff != "" {
		t.Errorf("enabled, with existing: keep: -before +now:\n%s", diff)
	}
	n.run(t, "virt-netboot", "apply", guests[0])
	if bindings := strings.Fields(n.run(t, "virsh", "-q", "nwfilter-binding-list")); len(bindings) != 2 {
		t.Errorf("after the apply of one of the guests there are the bindings %q, want one with its filter", bindings)
	}
	n.shell(t, "sed -i 's/^existing: keep/existing: sync/' "+configPath)
	config = n.read(t, configPath)
	await(t, "the filters to go", func() error {
		if bindings := n.run(t, "virsh", "-q", "nwfilter-binding-list"); strings.TrimSpace(bindings) != "" {
			return fmt.Errorf("there are %q", bindings)
		}
		return nil
	})
	n.patched(t)

	n.run(t, "virt-netboot", "disable", "--revert")
	n.stands(t, "disabled: ")
	same("disabled")
	if diff := cmp.Diff(strings.Replace(config, "\nmode: enforce\n", "\nmode: observe\n", 1), n.read(t, configPath)); diff != "" {
		t.Errorf("the configuration: -before enable +after disable:\n%s", diff)
	}
	n.apt(t, "purge", "virt-netboot")
	same("purged")
	n.asBefore(t, files)
}

// novaTemplate is what Nova of 2012 made domains from, without what does not matter here.
const novaTemplate = `<domain type='${type}'>
    <name>${name}</name>
    <os>
        <type>hvm</type>
            <boot dev="hd" />
    </os>
    <devices>
#for $nic in $nics
            <interface type='bridge'>
                <source bridge='${nic.bridge_name}'/>
                <filterref filter="nova-instance-${name}-${nic.id}">
                    <parameter name="IP" value="${nic.ip_address}" />
                </filterref>
            </interface>
#end for
    </devices>
</domain>
`

// startTenants starts a guest of a tenant's, as Nova writes it down, with a filter that
// has variables.
func (n *node) startTenants(t *testing.T, name string) {
	t.Helper()
	image := disk + "." + name
	n.run(t, "truncate", "-s", "1M", image)
	path := n.domainOn(t, name, image)
	project, _, _ := strings.Cut(name, "-")
	document := strings.NewReplacer(
		"<memory", "<metadata><nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.1'><nova:owner><nova:project uuid='"+project+"'>"+project+"</nova:project></nova:owner></nova:instance></metadata><memory",
		"</interface>", "<filterref filter='clean-traffic'><parameter name='IP' value='10.0.0.9'/></filterref></interface>",
	).Replace(n.read(t, path))
	n.write(t, path, document)
	n.run(t, "virsh", "define", path)
	n.run(t, "virsh", "start", name)
}

// documents are the guests' definitions, and what they run as.
func (n *node) documents(t *testing.T, guests []string) string {
	t.Helper()
	var all strings.Builder
	for _, name := range guests {
		all.WriteString(n.run(t, "virsh", "dumpxml", "--inactive", name) + n.run(t, "virsh", "dumpxml", name))
	}
	return all.String()
}

// rules are what libvirt, Nova and the kernel have of guests, byte for byte but for
// counters.
func (n *node) rules(t *testing.T, guests []string) string {
	t.Helper()
	script := `
for guest in ` + strings.Join(guests, " ") + `; do
	echo "== $guest, process $(cat /run/libvirt/qemu/$guest.pid)"
	virsh dumpxml --inactive $guest
	virsh dumpxml $guest
done
virsh nwfilter-list
virsh nwfilter-binding-list
virsh net-list --all
for file in /etc/libvirt/*.conf /etc/libvirt/qemu/*.xml /etc/libvirt/nwfilter/*.xml /etc/nova/*; do
	echo "== $file $(stat --format='%U:%G %a' $file)"
	cat $file
done
builtin='^-A (PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) '
for table in iptables ip6tables ebtables; do
	echo "== $table"
	$table-save | sed '/^#/d; s/ \[[0-9:]*\]//' >/tmp/rules
	# An interface's rules keep their order; whose come first does not matter.
	grep -vE "$builtin" /tmp/rules | LC_ALL=C sort -s -k1,2
	grep -E "$builtin" /tmp/rules | LC_ALL=C sort
done
systemctl show --property=Id,Listen,ActiveState libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket
`
	return n.shell(t, script)
}
