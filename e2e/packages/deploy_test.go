//go:build packages

package packages

import (
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDeploy takes a node through what Puppet and Ansible can do with it.
func TestDeploy(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Fatal("a container needs root")
	}
	deb := build(t, "1.0.0")
	files := tree(t)
	for name, tl := range map[string]tool{"puppet": puppet(), "ansible": ansible()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testTool(t, boot(t, files), tl, deb)
		})
	}
}

const (
	novaConf  = "/etc/nova/nova.conf"
	dhcpAgent = "/etc/neutron/dhcp_agent.ini"
)

func testTool(t *testing.T, n *node, tl tool, deb string) {
	n.write(t, "/etc/apt/sources.list", "deb [trusted=yes] file:/srv/repository ./\n")
	n.publish(t, deb)
	tl.install(t, n, deb)
	n.addNova(t)
	services := []string{"nova-compute", "neutron-dhcp-agent"}
	for _, service := range services {
		// What counts is whether it is started again.
		n.write(t, "/etc/systemd/system/"+service+".service", "[Service]\nExecStart=/bin/sleep infinity\n")
		n.run(t, "systemctl", "start", service)
	}
	n.shell(t, "truncate -s 1M "+disk+" "+disk+".nova "+disk+".bystander; ip link add br-tenant type bridge")
	n.run(t, "virsh", "version")

	rule := map[string]any{"name": "lab", "match": map[string]any{"name": []string{"plain", "check", "instance-*"}}}
	w := wish{state: "absent", mode: "transparent", config: map[string]any{"rules": []any{rule}}, dnsmasq: "neutron"}
	if changed, err := tl.try(t, n, w, false); err != nil || changed != 0 {
		t.Fatalf("absent on a node without it, or OpenStack's files: %d changes, error %v", changed, err)
	}
	tl.refuses(t, n, w)
	configured := map[string]string{
		novaConf:  "[DEFAULT]\ndebug = false\n\n[libvirt]\nvirt_type = qemu\n",
		dhcpAgent: "[DEFAULT]\nenable_isolated_metadata = true\n",
	}
	for path, content := range configured {
		n.write(t, path, content)
	}
	before := n.files(t)
	bystander := n.startBystander(t)

	step := func(name string, f func(t *testing.T)) {
		if !t.Run(name, f) {
			t.Log(n.try("journalctl", "--no-pager", "--output=short-precise", "--lines=60"))
			t.FailNow()
		}
	}
	step("transparent", func(t *testing.T) {
		w.state = "present"
		processes := n.processes(t, services)
		tl.apply(t, n, w)
		n.leftAlone(t, bystander)
		n.green(t, "virt-netboot.socket", "virt-netboot.service", "virt-netboot-files.path")
		n.takenOver(t)
		n.run(t, "virsh", "define", n.domain(t, "plain"))
		n.run(t, "virsh", "start", "plain")
		n.bootsFrom(t, "plain", "net0", "virtio-disk0")
		n.run(t, "virsh", "define", n.domain(t, "unmatched"))
		n.triesNetwork(t, "unmatched", false)
		n.run(t, "virsh", "undefine", "unmatched")
		n.restarted(t, processes, "neutron-dhcp-agent")
	})
	guest := n.qemu(t, "plain")
	step("a mistake in the configuration", func(t *testing.T) {
		config := n.read(t, configPath)
		wrong := w
		wrong.config = map[string]any{"rules": []any{map[string]any{"boot": "nonsense"}}}
		if _, err := tl.try(t, n, wrong, false); err == nil || !strings.Contains(err.Error(), "nonsense") {
			t.Errorf("the error does not name the mistake: %v", err)
		}
		if now := n.read(t, configPath); now != config {
			t.Errorf("the configuration is now:\n%s", now)
		}
	})
	step("explicit", func(t *testing.T) {
		processes := n.processes(t, append(services, "virt-netboot-files"))
		w.mode = "explicit"
		tl.apply(t, n, w)
		n.restarted(t, processes, "nova-compute")
		n.stands(t, "enabled, at the gateway's own socket only")
		n.throughGateway(t, "instance-00000001") // Nova goes where its configuration says
	})
	step("dnsmasq of Neutron", func(t *testing.T) {
		const path = "/etc/neutron/dnsmasq.conf"
		n.ignoresIPXE(t, "neutron", path, dhcpAgent)
		processes := n.processes(t, services)
		w.firmware = true
		if _, err := tl.try(t, n, w, false); err != nil {
			t.Fatal(err)
		}
		n.restarted(t, processes, "neutron-dhcp-agent")
		run(t, exec.Command("dnsmasq", "--test", "--conf-file="+n.path(path)))
		if lines := strings.Count(n.read(t, path), "\ndhcp-"); lines != 5 {
			t.Errorf("%d settings, want iPXE's two and firmware's three:\n%s", lines, n.read(t, path))
		}
	})
	step("absent", func(t *testing.T) {
		processes := n.processes(t, services)
		w.state, w.revert = "absent", true
		tl.apply(t, n, w)
		n.restarted(t, processes, services...)
		if now := n.qemu(t, "plain"); now != guest {
			t.Errorf("the guest was process %s, now %s", guest, now)
		}
		n.triesNetwork(t, "plain", false)
		n.forget(t, "plain")
		n.forget(t, "bystander")
		for path, content := range configured {
			if diff := cmp.Diff(content, n.read(t, path)); diff != "" {
				t.Errorf("%s: -before +after:\n%s", path, diff)
			}
		}
		n.asBefore(t, before)
	})
	step("dnsmasq of nova-network", func(t *testing.T) {
		bystander := n.startBystander(t)
		// A removal without a purge leaves the configuration.
		n.write(t, configPath, "mode: enforce\n")
		w := wish{state: "present", mode: "explicit", config: w.config, dnsmasq: "nova"}
		if _, err := tl.try(t, n, w, false); err != nil {
			t.Fatal(err)
		}
		n.leftAlone(t, bystander)
		n.ignoresIPXE(t, "nova", "/etc/nova/dnsmasq.conf", novaConf)
		w.config = nil
		if changed, err := tl.try(t, n, w, false); err != nil || changed != 0 {
			t.Errorf("without a configuration of its own: %d changes, error %v", changed, err)
		}
		w.state = "absent"
		if _, err := tl.try(t, n, w, false); err != nil {
			t.Fatal(err)
		}
		n.leftAlone(t, bystander)
		n.forget(t, "bystander")
		n.asBefore(t, before)
	})
}

// ignoresIPXE fails the test unless dnsmasq gets the file that is shipped.
func (n *node) ignoresIPXE(t *testing.T, service, path, namedBy string) {
	t.Helper()
	shipped, err := os.ReadFile(checkout + "/packaging/dhcp/openstack/" + service + "-dnsmasq.conf")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(shipped), n.read(t, path)); diff != "" {
		t.Errorf("%s: -shipped +written:\n%s", path, diff)
	}
	if got := setting(n.read(t, namedBy), "dnsmasq_config_file"); got != path {
		t.Errorf("%s names %q, want %s", namedBy, got, path)
	}
}

// setting is an option's value in a file of OpenStack's.
func setting(file, option string) string {
	for line := range strings.Lines(file) {
		if key, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(key) == option {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// processes are the services' process ids.
func (n *node) processes(t *testing.T, services []string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, service := range services {
		all[service] = strings.TrimSpace(n.run(t, "systemctl", "show", "--property=MainPID", "--value", service))
	}
	return all
}

// restarted fails the test unless just these of the services were started again.
func (n *node) restarted(t *testing.T, before map[string]string, want ...string) {
	t.Helper()
	var got []string
	for service, process := range n.processes(t, slices.Collect(maps.Keys(before))) {
		if process != before[service] {
			got = append(got, service)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), got); diff != "" {
		t.Errorf("restarted: -want +got:\n%s", diff)
	}
}
