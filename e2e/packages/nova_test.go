//go:build packages

package packages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestNovaOwnsItsDirectory is the package on a node where Debian's nova-common has made
// /etc/nova nova's own: what nova puts there leads root to nothing that nova could not
// do alone.
func TestNovaOwnsItsDirectory(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Fatal("a container needs root")
	}
	n := boot(t, treeWith(t, "nova-common"))
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(n.try("journalctl", "--no-pager", "--output=short-precise", "--lines=60"))
		}
	})
	if got := strings.TrimSpace(n.run(t, "stat", "--format=%U:%G %a", "/etc/nova")); got != "nova:nova 750" {
		t.Fatalf("nova-common has made /etc/nova %s: this test tests nothing", got)
	}
	n.write(t, "/etc/apt/sources.list", "deb [trusted=yes] file:/srv/repository ./\n")
	n.publish(t, build(t, "1.0.0"))
	n.asNova(t, "umask 027; echo domain-needed >/etc/nova/dnsmasq.conf")
	n.run(t, "mkdir", "-p", filepath.Dir(configPath))
	n.write(t, configPath, "mode: enforce\n")
	before := n.inNova(t)

	t.Run("a node's life", func(t *testing.T) {
		n.apt(t, "install", "virt-netboot")
		n.patched(t)
		n.run(t, "apt-get", "-qy", "remove", "virt-netboot")
		if diff := cmp.Diff(before, n.inNova(t)); diff != "" {
			t.Errorf("/etc/nova, -before +after:\n%s", diff)
		}
		if log := n.run(t, "journalctl", "--output=cat", "--unit=virt-netboot-files"); !strings.Contains(log, "/etc/nova/dnsmasq.conf: stock file put back") {
			t.Errorf("it was not the service that put the file back:\n%s", log)
		}
	})
	t.Run("an attack at the removal", func(t *testing.T) {
		n.write(t, "/etc/cron.d/job", "0 * * * * root true\n")
		n.write(t, "/root/secret", "secret\n")
		n.run(t, "chmod", "600", "/root/secret")
		n.write(t, configPath, "mode: enforce\n") // the removal has disabled the node
		n.apt(t, "install", "virt-netboot")
		n.patched(t)
		n.run(t, "systemctl", "stop", "virt-netboot-files.path", "virt-netboot-files.service") // it would be first
		root := n.rootsFiles(t)
		// dnsmasq.conf leads to what is cron's as soon as root waits for the stock
		// file; at the template's marker there is root's own file.
		n.asNova(t, `cd /etc/nova
			mkdir sub
			cp dnsmasq.conf sub/job
			mkfifo sub/job.virt-netboot-orig
			ln -sf sub/job dnsmasq.conf
			ln -s /root/secret libvirt.xml.template.virt-netboot-orig
			ln -s /etc/cron.d/job libvirt.xml.template.virt-netboot-off
			echo '<domain/>' >libvirt.xml.template
			cat >/tmp/attack <<'EOF'
			exec 3>sub/job.virt-netboot-orig
			mv sub old
			ln -s /etc/cron.d sub
			echo '* * * * * root touch /root/taken' >&3
EOF
			setsid sh /tmp/attack >/dev/null 2>&1 </dev/null &`)
		began := time.Now()
		n.run(t, "apt-get", "-qy", "remove", "virt-netboot")
		if took := time.Since(began); took > 90*time.Second {
			t.Errorf("the removal took %v", took)
		}
		if diff := cmp.Diff(root, n.rootsFiles(t)); diff != "" {
			t.Errorf("root's files, -before +after:\n%s", diff)
		}
		if text := n.read(t, "/etc/nova/libvirt.xml.template"); text != "<domain/>\n" {
			t.Errorf("nova's template is now:\n%s", text)
		}
		if left, err := os.ReadDir(n.path("/run/systemd/system/virt-netboot-files.service.d")); err == nil {
			t.Errorf("the removal leaves %v", left)
		}
		n.green(t)
	})
}

// asNova runs a script as Nova's user.
func (n *node) asNova(t *testing.T, script string) {
	t.Helper()
	run(t, n.as("nova", "sh", "-euc", script))
}

// inNova is what is in Nova's directory, with owners and contents.
func (n *node) inNova(t *testing.T) string {
	t.Helper()
	return n.shell(t, `cd /etc/nova; find . -printf '%p %y %U:%G %m\n' | sort; find . -type f -exec sha256sum {} + | sort`)
}

// rootsFiles are those that the attack is after.
func (n *node) rootsFiles(t *testing.T) string {
	t.Helper()
	return n.shell(t, `find /etc/cron.d /root -printf '%p %y %U:%G %m\n' | sort; find /etc/cron.d /root -type f -exec sha256sum {} + | sort; cat /etc/cron.d/job`)
}
