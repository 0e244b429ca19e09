//go:build packages

package packages

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// hookElsewhere installs the package where the hook cannot be put in its place, or not
// without more ado. Each time it is installed, guests start, and the doctor knows how
// libvirt gets the hook after all.
func (n *node) hookElsewhere(t *testing.T) {
	const (
		hookDir = operatorsHook + ".d"
		foreign = "printf '#!/bin/sh\n' >" + operatorsHook + "; chmod 755 " + operatorsHook + "; "
	)
	for _, test := range []struct {
		name, setup string
		missing     bool // after postinst
	}{
		{"no directory for hooks", "rm -r /etc/libvirt/hooks", false},
		{"a link in the operator's place", "ln -s " + hookProgram + " " + operatorsHook, false},
		{"a file in the directory's place", "touch " + hookDir, true},
		{"a foreign hook, and a file in the directory's place", foreign + "touch " + hookDir, true},
		{"a foreign hook, and one with our name", foreign + "mkdir " + hookDir + "; cp " + operatorsHook + " " + hookLink, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			n.shell(t, test.setup)
			out, err := n.command("apt-get", "-y", "-q", "install", "virt-netboot").CombinedOutput()
			if err != nil {
				t.Fatalf("%v:\n%s", err, out)
			}
			const hint = "libvirt does not get its hook; virt-netboot doctor says what to do"
			if said := strings.Contains(string(out), hint); said != test.missing {
				t.Errorf("it says that libvirt gets no hook: %v, want %v:\n%s", said, test.missing, out)
			}
			n.green(t, "virt-netboot.socket", "virt-netboot.service")
			if !strings.HasPrefix(test.setup, foreign+"touch") { // no guest starts there, with us or without
				n.starts(t)
			}
			for _, r := range n.doctor(t) {
				if r.Check == "hook-installed" && r.Remedy != "" {
					n.shell(t, r.Remedy)
				}
			}
			n.isHook(t)
			n.noFailure(t)
			n.starts(t)
			n.apt(t, "purge", "virt-netboot")
			n.shell(t, "rm -rf /etc/libvirt/hooks/qemu*; systemctl reload libvirtd")
		})
	}
}

// hookOfOperator has an operator write a hook as the guides say, where libvirt looks for
// one first: both hooks run, and theirs outlives an upgrade and a removal.
func (n *node) hookOfOperator(t *testing.T, older, newer string) {
	const trace = "/run/operators-hook"
	const hook = "#!/bin/sh\necho \"$2\" >>" + trace + "\n"
	n.publish(t, older)
	n.apt(t, "install", "virt-netboot")
	n.shell(t, "printf '%s' '"+hook+"' >"+operatorsHook+"; chmod +x "+operatorsHook)
	bothRun := func(t *testing.T) {
		t.Helper()
		n.isHook(t)
		n.shell(t, "rm -f "+trace)
		n.callsHook(t)
		if calls := n.read(t, trace); !strings.Contains(calls, "prepare\n") {
			t.Errorf("the operator's hook was called at %q", calls)
		}
		if changed, _ := n.try("dpkg", "--verify", "virt-netboot"); changed != "" {
			t.Errorf("dpkg --verify:\n%s", changed)
		}
		n.noFailure(t)
	}
	bothRun(t)
	n.publish(t, older, newer)
	n.apt(t, "upgrade")
	bothRun(t)

	// What is written to our own link does reach the program. The doctor sees it, and
	// has it become a hook of its own.
	n.run(t, "rm", operatorsHook)
	n.shell(t, "printf '%s' '"+hook+"' >"+hookLink)
	n.shell(t, n.hookRemedy(t))
	bothRun(t)
	own := operatorsHook + ".d/40-own"
	if n.read(t, own) != hook {
		t.Errorf("%s is:\n%s", own, n.read(t, own))
	}
	n.run(t, "mv", own, operatorsHook)

	// A program that is only a little damaged is found by the package's sums.
	n.shell(t, "printf x >>"+hookProgram)
	n.shell(t, n.hookRemedy(t))
	bothRun(t)

	n.apt(t, "purge", "virt-netboot")
	if now := n.read(t, operatorsHook); now != hook {
		t.Errorf("the operator's hook is now:\n%s", now)
	}
	n.run(t, "rm", trace)
	n.starts(t)
	n.shell(t, "rm "+operatorsHook+" "+trace+"; systemctl reload libvirtd")
}

// hookRemedy is what the doctor has done about a failure of the hook.
func (n *node) hookRemedy(t *testing.T) string {
	t.Helper()
	for _, r := range n.doctor(t) {
		if r.Check == "hook-installed" && r.Level == "failure" {
			return r.Remedy
		}
	}
	t.Fatal("the doctor has nothing against the hook")
	return ""
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
