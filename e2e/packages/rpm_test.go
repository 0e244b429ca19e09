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
	packages, err := filepath.Glob(filepath.Join(dist, "*.rpm"))
	if err != nil || len(packages) != 1 {
		t.Fatalf("packages %v, error %v", packages, err)
	}
	pkg := packages[0]
	query := func(args ...string) []string {
		return strings.Fields(run(t, exec.Command("rpm", append(append([]string{"--query"}, args...), "--package", pkg)...)))
	}
	for _, test := range []struct {
		name string
		got  []string
		want []string
	}{
		{"requires", query("--requires"), []string{"libvirt-daemon-driver-qemu", "systemd"}},
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
	left := run(t, exec.Command("find", root, "-name", "*netboot*"))
	if left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}
