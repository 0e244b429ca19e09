//go:build packages

package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testRPM checks the rpm in dist with rpm's own tools, which Debian has.
func testRPM(t *testing.T, dist string) {
	pkg := rpmIn(t, dist)
	query := func(args ...string) []string {
		return strings.Fields(run(t, exec.Command("rpm", append(append([]string{"--query"}, args...), "--package", pkg)...)))
	}
	for _, test := range []struct {
		name string
		got  []string
		want []string
	}{
		{"requires", query("--requires"), []string{"libvirt-daemon-driver-qemu", ">=", "6.5", "systemd"}},
		{"configuration", query("--configfiles"), []string{configPath}},
		{"configuration that an upgrade leaves", query("--queryformat", "[%{FILENAMES}=%{FILEFLAGS:fflags}\n]"), nil},
		{"scripts", query("--queryformat", "%{POSTINPROG} %{PREUNPROG} %{POSTUNPROG}"), []string{"/bin/sh", "/bin/sh", "/bin/sh"}},
	} {
		if test.want == nil {
			if all := strings.Join(test.got, " "); !strings.Contains(all, configPath+"=cn") {
				t.Errorf("%s: %s", test.name, all)
			}
		} else if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", test.name, diff)
		}
	}
	for script, tag := range map[string]string{"postinst": "%{POSTIN}", "prerm": "%{PREUN}", "postrm": "%{POSTUN}"} {
		want, err := os.ReadFile(checkout + "/packaging/scripts/" + script)
		if err != nil {
			t.Fatal(err)
		}
		got := run(t, exec.Command("rpm", "--query", "--queryformat", tag, "--package", pkg))
		if diff := cmp.Diff(strings.TrimSpace(string(want)), strings.TrimSpace(got)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tag, diff)
		}
	}

	root := t.TempDir()
	rpm := func(args ...string) {
		t.Helper()
		run(t, exec.Command("rpm", append([]string{"--root", root}, args...)...))
	}
	rpm("--checksig", "--nosignature", pkg)
	rpm("--install", "--nodeps", "--noscripts", "--ignorearch", pkg)
	rpm("--verify", "--nodeps", "virt-netboot")
	run(t, exec.Command(filepath.Join(root, "usr/bin/virt-netboot"), "check", "--config", filepath.Join(root, configPath)))
	rpm("--erase", "--noscripts", "virt-netboot")
	testRPMKeeps(t, pkg)
	left := run(t, exec.Command("find", root, "-name", "*netboot*"))
	if left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}

func rpmIn(t *testing.T, dist string) string {
	t.Helper()
	packages, err := filepath.Glob(filepath.Join(dist, "*.rpm"))
	if err != nil || len(packages) != 1 {
		t.Fatalf("packages %v, error %v", packages, err)
	}
	return packages[0]
}

// livesAsRPM installs, upgrades and erases the RPM where systemd runs, whose presets
// enable nothing, and nothing of debhelper's is there.
func (n *node) livesAsRPM(t *testing.T, older, newer string) {
	n.shell(t, "mkdir /root/debhelper; mv /usr/bin/deb-systemd-helper /usr/bin/deb-systemd-invoke /root/debhelper")
	n.write(t, "/etc/systemd/system-preset/00-none.preset", "disable *\n")
	// RPM's distributions have these.
	n.run(t, "mkdir", "-p", "/usr/share/licenses", "/usr/share/fish/vendor_completions.d", "/usr/share/zsh/site-functions")
	before := n.files(t)

	n.rpm(t, "--install", older)
	_, start, told := strings.Cut(n.scriptlet(t, older, "%{POSTIN}", "1"), "virt-netboot: to start it: ")
	if !told {
		t.Fatal("postinst does not tell how to start it")
	}
	n.isHook(t)
	if enabled := n.shell(t, "systemctl is-enabled virt-netboot.socket virt-netboot.service virt-netboot-files.path || true"); strings.Contains(enabled, "enabled") {
		t.Errorf("the presets enable nothing, and it is %s", enabled)
	}
	n.shell(t, start)
	n.green(t, "virt-netboot.socket", "virt-netboot.service", "virt-netboot-files.path")
	n.run(t, "virsh", "-c", gatewayURI, "version")

	n.rpm(t, "--upgrade", newer)
	n.scriptlet(t, newer, "%{POSTIN}", "2")
	n.scriptlet(t, older, "%{PREUN}", "1")
	n.scriptlet(t, older, "%{POSTUN}", "1")
	n.green(t, "virt-netboot.socket", "virt-netboot.service", "virt-netboot-files.path")
	n.runs(t, "99.1.0")
	n.isHook(t)

	n.scriptlet(t, newer, "%{PREUN}", "0")
	n.rpm(t, "--erase", "virt-netboot")
	n.scriptlet(t, newer, "%{POSTUN}", "0")
	n.run(t, "virsh", "version")
	n.asBefore(t, before)
}

// rpm runs rpm, which the node does not have, without the package's scripts, which are
// to run in the node.
func (n *node) rpm(t *testing.T, action, pkg string) {
	t.Helper()
	args := []string{"--root", n.path("/"), "--noscripts", "--nodeps", action, pkg}
	if action != "--erase" {
		args = append([]string{"--ignorearch"}, args...)
	}
	run(t, exec.Command("rpm", args...))
}

// scriptlet runs a script of a package's as rpm does, and returns what it says.
func (n *node) scriptlet(t *testing.T, pkg, tag, versions string) string {
	t.Helper()
	n.write(t, "/root/scriptlet", run(t, exec.Command("rpm", "--query", "--queryformat", tag, "--package", pkg)))
	return n.run(t, "sh", "/root/scriptlet", versions)
}

// testRPMKeeps: an installation keeps a configuration that was there before, which is how
// a node gets its own before the agent starts.
func testRPMKeeps(t *testing.T, pkg string) {
	root := t.TempDir()
	config := filepath.Join(root, configPath)
	if err := os.MkdirAll(filepath.Dir(config), 0o755); err != nil {
		t.Fatal(err)
	}
	const observe = "mode: observe\n"
	if err := os.WriteFile(config, []byte(observe), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, exec.Command("rpm", "--root", root, "--install", "--nodeps", "--noscripts", "--ignorearch", pkg))
	now, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if string(now) != observe {
		t.Errorf("the configuration is now:\n%s", now)
	}
}
