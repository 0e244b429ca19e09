//go:build packages

package packages

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	directSocket  = "/run/libvirt/libvirt-sock-direct"
	usualSocket   = "/run/libvirt/libvirt-sock"
	gatewaySocket = "/run/virt-netboot/libvirt-sock"

	notAsked = "authentication unavailable: no polkit agent available to authenticate action 'org.libvirt.unix.manage'"
	byPolicy = "authentication failed: access denied by policy"
	byDriver = "access denied: 'QEMU' denied access"
)

// TestPolkit has polkit decide about users, as it does on a node of Debian's: what
// it lets them do past the gateway they can do through it, and no more.
func TestPolkit(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Fatal("a container needs root")
	}
	n := boot(t, tree(t))
	n.write(t, "/etc/apt/sources.list", "deb [trusted=yes] file:/srv/repository ./\n")
	n.publish(t, build(t, "1.0.0"))
	n.apt(t, "install", "virt-netboot")
	n.run(t, "virt-netboot", "enable", "--yes")
	rules, err := os.ReadFile("testdata/users.rules")
	if err != nil {
		t.Fatal(err)
	}
	n.write(t, "/etc/polkit-1/rules.d/10-users.rules", string(rules))
	// Whom polkit asks for a password has it.
	n.write(t, "/etc/pam.d/polkit-1", "auth sufficient pam_permit.so\naccount sufficient pam_permit.so\n")
	n.shell(t, `for user in outsider ruled refused owner writer seated; do useradd --create-home $user; done
		useradd --create-home --groups libvirt member
		ip link add br-tenant type bridge`)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(n.try("journalctl", "--no-pager", "--output=short-precise", "--lines=60"))
		}
	})

	t.Run("as Debian ships it", func(t *testing.T) {
		n.sameFor(t, "root", "", "list")
		n.sameFor(t, "member", "", "list")
		n.sameFor(t, "ruled", "", "list")
		n.sameFor(t, "outsider", notAsked, "list")
		n.sameFor(t, "refused", byPolicy, "list")
		n.readsOnly(t, "outsider", "")
	})
	t.Run("on a terminal", func(t *testing.T) {
		for _, user := range []string{"outsider", "seated"} {
			out, err := n.onTerminal(user, directSocket)
			checkAnswer(t, user+" at libvirt's own socket", "", out, err)
			if asked := strings.Contains(out, "AUTHENTICATION COMPLETE"); asked != (user == "outsider") {
				t.Errorf("polkit asks %s who it is: %v\n%s", user, asked, out)
			}
			out, err = n.onTerminal(user, gatewaySocket)
			checkAnswer(t, user+" through the gateway", notAsked, out, err)
		}
		log := n.run(t, "journalctl", "--output=cat", "-t", "virt-netboot")
		if want := "through the gateway it cannot ask for one"; !strings.Contains(log, want) || !strings.Contains(log, directSocket) {
			t.Errorf("the journal does not say %q with the way past it, %s:\n%s", want, directSocket, log)
		}
		found, _ := n.command("virt-netboot", "doctor").Output() // not all is well
		if want := "decides about libvirt by subject.active"; !strings.Contains(string(found), want) {
			t.Errorf("the doctor does not say %q:\n%s", want, found)
		}
	})
	t.Run("per call", func(t *testing.T) {
		for _, name := range []string{"mine", "other"} {
			n.shell(t, "chmod 644 "+n.domain(t, name)+"; mv /root/"+name+".xml /srv; virsh define /srv/"+name+".xml")
		}
		n.write(t, "/srv/interface.xml", `<interface type='bridge'><mac address='52:54:00:00:00:02'/><source bridge='br-tenant'/>
			<filterref filter='clean-traffic'/></interface>`)
		n.shell(t, `printf 'access_drivers = [ "polkit" ]\nauth_unix_ro = "polkit"\n' >>/etc/libvirt/libvirtd.conf
			systemctl restart libvirtd`)
		n.sameFor(t, "owner", "", "list", "--all")
		n.sameFor(t, "owner", "", "dumpxml", "mine")
		n.sameFor(t, "owner", "failed to get domain 'other'", "dumpxml", "other")
		n.sameFor(t, "owner", byDriver, "nwfilter-list")
		n.sameFor(t, "owner", byDriver, "define", "/srv/other.xml")
		n.sameFor(t, "writer", byDriver, "dumpxml", "mine")
		n.sameFor(t, "ruled", byDriver, "list")
		n.sameFor(t, "outsider", notAsked, "list")
		n.readsOnly(t, "owner", "")
		n.readsOnly(t, "refused", byPolicy)
		for _, user := range []string{"owner", "writer"} { // writer may not read what it attaches to
			n.sameFor(t, user, "", "attach-device", "mine", "/srv/interface.xml", "--config")
		}
		// Of a client that stays across a restart polkit would ask about an agent that is gone.
		out := n.shell(t, `{ echo list --all; sleep 2; systemctl restart virt-netboot; sleep 1; echo list --all; } |
			setpriv --reuid=owner --regid=owner --init-groups --reset-env virsh --connect '`+at(gatewaySocket)+`' 2>&1`)
		if strings.Count(out, "mine") != 2 || strings.Contains(out, "denied") {
			t.Errorf("across a restart virsh says:\n%s", out)
		}
		if log := n.run(t, "journalctl", "--output=cat", "-t", "virt-netboot"); strings.Contains(log, "libvirt refused") {
			t.Errorf("a call without the right is taken for a document that libvirt does not like:\n%s", log)
		}
	})
}

// sameFor runs virsh as a user past the gateway and through it, both ways. It must
// write the same, and fail where an error is given that it must write.
func (n *node) sameFor(t *testing.T, user, wantErr string, args ...string) {
	t.Helper()
	var direct string
	for _, socket := range []string{directSocket, usualSocket, gatewaySocket} {
		out, err := n.virsh(user, append([]string{"--connect", at(socket)}, args...)...)
		checkAnswer(t, fmt.Sprintf("virsh %s of %s at %s", args, user, socket), wantErr, out, err)
		if socket == directSocket {
			direct = out
		}
		if diff := cmp.Diff(direct, out); diff != "" {
			t.Errorf("virsh %s of %s: -at libvirt's own socket +at %s:\n%s", args, user, socket, diff)
		}
		if err == nil && args[0] == "attach-device" {
			n.run(t, append([]string{"virsh", "detach-device"}, args[1:]...)...)
		}
	}
}

// readsOnly runs virsh as a user at libvirt's socket for reading, which a takeover
// leaves to libvirt.
func (n *node) readsOnly(t *testing.T, user, wantErr string) {
	t.Helper()
	out, err := n.virsh(user, "--connect", "qemu:///system", "--readonly", "list")
	checkAnswer(t, "virsh --readonly list of "+user, wantErr, out, err)
}

func checkAnswer(t *testing.T, what, wantErr, out string, err error) {
	t.Helper()
	switch {
	case wantErr == "" && err != nil:
		t.Errorf("%s: %v: %s", what, err, out)
	case wantErr != "" && (err == nil || !strings.Contains(out, wantErr)):
		t.Errorf("%s: %v: %s; want the error %q", what, err, out, wantErr)
	}
}

func at(socket string) string { return "qemu+unix:///system?socket=" + socket }

// virsh runs virsh as a user without a terminal, and returns all that it writes.
func (n *node) virsh(user string, args ...string) (string, error) {
	out, err := n.as(user, append([]string{"virsh"}, args...)...).CombinedOutput()
	return string(out), err
}

// onTerminal runs virsh as a user who has logged in on a terminal, and returns what
// is on the screen then. A terminal's end in sight, script(1) would end virsh.
func (n *node) onTerminal(user, socket string) (string, error) {
	virsh := fmt.Sprintf("virsh --connect '%s' list", at(socket))
	cmd := n.command("timeout", "60", "script", "--quiet", "--return", "--command",
		fmt.Sprintf(`su --pty --login %s --command "%s"`, user, virsh), "/dev/null")
	cmd.Env = append(cmd.Env, "SHELL=/bin/sh")
	if _, err := cmd.StdinPipe(); err != nil {
		return "", err
	}
	screen, err := cmd.CombinedOutput()
	return string(screen), err
}
