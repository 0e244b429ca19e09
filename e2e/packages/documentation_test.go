//go:build packages

package packages

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// testDocumentation finds the manual pages and the shells' completion in both
// packages, where man and the shells look for them.
func testDocumentation(t *testing.T, dist string) {
	const deb, rpm = `dpkg-deb --fsys-tarfile "$1"/*.deb | tar -t | sed s/^.//`, `rpm --query --list --package "$1"/*.rpm`
	for list, zsh := range map[string]string{deb: "/usr/share/zsh/vendor-completions", rpm: "/usr/share/zsh/site-functions"} {
		files := "\n" + run(t, exec.Command("sh", "-euc", list, "list", dist))
		for _, want := range []string{
			"/usr/share/man/man8/virt-netboot.8.gz",
			"/usr/share/man/man8/qemu-hook.8.gz",
			"/usr/share/man/man5/virt-netboot.yaml.5.gz",
			"/usr/share/man/man5/virt-netboot-json.5.gz",
			"/usr/share/bash-completion/completions/virt-netboot",
			"/usr/share/fish/vendor_completions.d/virt-netboot.fish",
			filepath.Join(zsh, "_virt-netboot"),
		} {
			if !strings.Contains(files, "\n"+want+"\n") {
				t.Errorf("no %s is listed by %s:%s", want, list, files)
			}
		}
	}
}
