//go:build packages

package packages

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// hookElsewhere installs the package where libvirt's hook cannot be linked, or not
// without more ado. Each time it is installed, guests start, and the doctor knows how
// libvirt gets the hook after all.
func (n *node) hookElsewhere(t *testing.T) {
	const (
		hookDir = hookLink + ".d"
		beside  = hookDir + "/50-virt-netboot"
		foreign = "printf '#!/bin/sh\n' >" + hookLink + "; chmod 755 " + hookLink + "; "
	)
	for _, test := range []struct {
		name, setup string
		hook        string // ours, once all is done
		unlinked    bool   // by postinst
	}{
		{"no directory for hooks", "rm -r /etc/libvirt/hooks", hookLink, false},
		{"a file in the directory's place", "touch " + hookDir, hookLink, true},
		{"a foreign hook, and a file in the directory's place", foreign + "touch " + hookDir, beside, true},
		{"a foreign hook, and one with our name", foreign + "mkdir " + hookDir + "; cp " + hookLink + " " + beside, beside, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			n.shell(t, test.setup)
			out, err := n.command("apt-get", "-y", "-q", "install", "virt-netboot").CombinedOutput()
			if err != nil {
				t.Fatalf("%v:\n%s", err, out)
			}
			const hint = "libvirt does not get its hook; virt-netboot doctor says what to do"
			if said := strings.Contains(string(out), hint); said != test.unlinked {
				t.Errorf("it says that libvirt gets no hook: %v, want %v:\n%s", said, test.unlinked, out)
			}
			n.green(t, "virt-netboot.socket", "virt-netboot.service")
			if !strings.HasPrefix(test.setup, foreign+"touch") { // no guest starts there, with us or without
				n.starts(t)
			}
			for range 2 { // what is in the way, and then the link
				for _, r := range n.doctor(t) {
					if r.Check == "hook-installed" && r.Remedy != "" {
						n.shell(t, r.Remedy)
					}
				}
			}
			n.isHook(t, test.hook)
			n.noFailure(t)
			n.starts(t)
			n.apt(t, "purge", "virt-netboot")
			n.shell(t, "rm -rf /etc/libvirt/hooks/qemu*; systemctl reload libvirtd")
		})
	}
}

// starts fails the test unless a guest can start.
func (n *node) starts(t *testing.T) {
	t.Helper()
	n.run(t, "virsh", "create", n.domain(t, "starts"))
	n.run(t, "virsh", "destroy", "starts")
}

// finding is one of the doctor's.
type finding struct{ Check, Level, Found, Remedy string }

func (n *node) doctor(t *testing.T) []finding {
	t.Helper()
	out := n.shell(t, "virt-netboot doctor --json || [ $? -le 2 ]") // how ill the node is
	var all []finding
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("virt-netboot doctor --json: %v:\n%s", err, out)
	}
	return all
}

// noFailure waits until the doctor finds none.
func (n *node) noFailure(t *testing.T) {
	t.Helper()
	await(t, "the doctor to find no failure", func() error {
		for _, r := range n.doctor(t) {
			if r.Level == "failure" {
				return fmt.Errorf("%s: %s; to do: %s", r.Check, r.Found, r.Remedy)
			}
		}
		return nil
	})
}
