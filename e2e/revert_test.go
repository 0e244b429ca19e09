package e2e

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

func virtNetboot(t *testing.T, l *lab.Lab, args ...string) string {
	t.Helper()
	out, err := l.VirtNetboot(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRevertRunning takes a running guest back and forth under a running agent.
func TestRevertRunning(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		const tap = "tap3e5043cd"
		g := novaGuest(t, l, "image-raw-filterref")
		virsh(t, l, "define", g.File)
		virsh(t, l, "start", "--paused", g.Name)
		want := nics(t, l, g.Name)
		definition := withoutRecord(virsh(t, l, "dumpxml", "--inactive", g.Name))
		rules := bridgeRules(t, l, tap)
		startAgent(t, l)
		await(t, func() error { return errors.Join(inSync(t, l, g.Name), noFilter(t, l, g.Name)) })

		out := virtNetboot(t, l, "revert", g.Name)
		for _, line := range []string{
			"instance-0000006c: boot order hd instead of network, hd",
			"instance-0000006c: filterref put back on interface fa:16:3e:50:43:cd",
			"instance-0000006c: in the running guest: filterref put back on interface fa:16:3e:50:43:cd",
		} {
			if !slices.Contains(strings.Split(out, "\n"), line) {
				t.Errorf("revert does not say %q:\n%s", line, out)
			}
		}
		isReverted := func() {
			t.Helper()
			if diff := cmp.Diff(want, nics(t, l, g.Name)); diff != "" {
				t.Errorf("interfaces of the running guest (-before +reverted):\n%s", diff)
			}
			if diff := cmp.Diff(len(rules), len(bridgeRules(t, l, tap))); diff != "" {
				t.Errorf("lines of ebtables (-before +reverted):\n%s", diff)
			}
			if diff := cmp.Diff(definition, withoutRecord(virsh(t, l, "dumpxml", "--inactive", g.Name))); diff != "" {
				t.Errorf("definition (-before +reverted):\n%s", diff)
			}
		}
		isReverted()
		if out := virtNetboot(t, l, "revert", "--all"); out != g.Name+": left alone already\n" {
			t.Errorf("a second revert says %q", out)
		}

		// The agent leaves it alone, whichever client defines it, through the gateway or
		// bypassing it.
		virsh(t, l, "define", g.File)
		await(t, func() error {
			if !strings.Contains(virsh(t, l, "dumpxml", "--inactive", g.Name), `reverted="yes"`) {
				return errors.New("the new definition does not have the mark")
			}
			return nil
		})
		isReverted()

		out = virtNetboot(t, l, "apply", g.UUID)
		if err := errors.Join(inSync(t, l, g.Name), noFilter(t, l, g.Name)); err != nil {
			t.Errorf("after apply: %v", err)
		}
		if line := "instance-0000006c: at its next start: boot order network, hd instead of hd\n"; !strings.Contains(out, line) {
			t.Errorf("apply does not say %q:\n%s", line, out)
		}
		virsh(t, l, "define", g.File) // and now the rules hold again
		await(t, func() error { return inSync(t, l, g.Name) })

		// A guest that has started without its filter gets it back too.
		virsh(t, l, "destroy", g.Name)
		virsh(t, l, "start", "--paused", g.Name)
		if err := noFilter(t, l, g.Name); err != nil {
			t.Fatal(err)
		}
		out = virtNetboot(t, l, "revert", g.UUID)
		isReverted()
		if line := "instance-0000006c: at its next start: boot order hd instead of network, hd\n"; !strings.Contains(out, line) {
			t.Errorf("revert does not say %q:\n%s", line, out)
		}
	})
}

// nics are the interfaces of a running guest.
func nics(t *testing.T, l *lab.Lab, domain string) []string {
	t.Helper()
	var all []string
	for _, nic := range dumpxml(t, l, domain).Devices.Interfaces {
		text, err := nic.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	return all
}

// withoutRecord is a document without the undo record.
func withoutRecord(document string) string {
	var kept []string
	inside := false
	for line := range strings.Lines(document) {
		inside = inside || strings.Contains(line, "<netboot:domain")
		if !inside {
			kept = append(kept, line)
		}
		if strings.Contains(line, "</netboot:domain>") || inside && strings.Contains(line, "<netboot:domain") && strings.HasSuffix(strings.TrimSpace(line), "/>") {
			inside = false
		}
	}
	return strings.Join(kept, "")
}

// TestRevertTransient: the undo record of a guest without a definition is in its live
// metadata.
func TestRevertTransient(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "two-nics-two-filters")
		virsh(t, l, "create", "--paused", g.File)
		want := nics(t, l, g.Name)
		startAgent(t, l)
		await(t, func() error { return noFilter(t, l, g.Name) })
		virtNetboot(t, l, "revert", g.Name)
		if diff := cmp.Diff(want, nics(t, l, g.Name)); diff != "" {
			t.Errorf("interfaces (-before +reverted):\n%s", diff)
		}
		virsh(t, l, "suspend", g.Name) // an event
		virtNetboot(t, l, "apply", g.Name)
		if err := noFilter(t, l, g.Name); err != nil {
			t.Errorf("after apply: %v", err)
		}
		if info := virsh(t, l, "dominfo", g.Name); !strings.Contains(info, "Persistent:     no") {
			t.Errorf("the transient domain has become persistent:\n%s", info)
		}
	})
}

// TestUnknownDomain: the others are done, and the exit status says that one was
// not.
func TestUnknownDomain(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-raw-filterref")
		virsh(t, l, "define", g.File)
		out, err := l.VirtNetboot(t.Context(), "apply", "unknown", g.Name)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("apply ends with %v, want exit status 1", err)
		}
		if want := "unknown: libvirt has no domain of this name or UUID"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
		if !strings.Contains(out, g.Name+": boot order network, hd instead of hd\n") {
			t.Errorf("apply says only %q", out)
		}
		if err := inSync(t, l, g.Name); err != nil {
			t.Error(err)
		}
	})
}

// TestPlan changes nothing and shows no secret.
func TestPlan(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		plain := novaGuest(t, l, "image-raw-filterref")
		g, err := l.Prepare(t.Context(), strings.Replace(plain.Document, "<graphics type=\"vnc\"", "<graphics type=\"vnc\" passwd='S3cret'", 1))
		if err != nil {
			t.Fatal(err)
		}
		kernel := novaGuest(t, l, "ami-kernel-ramdisk")
		encrypted := writeFile(t, "encrypted.xml", encryptedDisk)
		virsh(t, l, "define", g.File)
		virsh(t, l, "define", kernel.File)
		virsh(t, l, "define", encrypted)
		virsh(t, l, "start", "--paused", g.Name)
		before := dumps(t, l, g.Name, kernel.Name, "encrypted")
		text := virtNetboot(t, l, "plan")
		for _, line := range []string{
			"+    <boot dev='network'/>",
			"--- instance-0000006c (running)",
			"-      <filterref filter='nova-instance-instance-0000006c-fa163e5043cd'>",
			"instance-0000006c: at its next start: boot order network, hd instead of hd",
			"         <secret type='passphrase' uuid='***'/>",
			"-      <boot order='1'/>",
			"3 domains: 3 to change, 0 in sync, 0 reverted; 1 to wait for their next start, 1 with warnings",
		} {
			if !slices.Contains(strings.Split(text, "\n"), line) {
				t.Errorf("plan does not say %q:\n%s", line, text)
			}
		}
		if all := text + virtNetboot(t, l, "plan", "--json"); strings.Contains(all, "S3cret") || strings.Contains(all, secretUUID) {
			t.Errorf("plan shows a secret:\n%s", all)
		}
		observe := writeFile(t, "config.yaml", "mode: observe\nrules: [{name: default}]\n")
		if observed := virtNetboot(t, l, "plan", "--config", observe); observed != text {
			t.Errorf("with mode: observe the plan is another (-enforce +observe):\n%s", cmp.Diff(text, observed))
		}
		if after := dumps(t, l, g.Name, kernel.Name, "encrypted"); before != after {
			t.Errorf("plan has changed something (-before +after):\n%s", cmp.Diff(before, after))
		}
	})
}

// encryptedDisk is a domain in whose document, as libvirt writes it, a secret is two
// lines from one that the policy changes.
const encryptedDisk = `<domain type='qemu'>
  <name>encrypted</name>
  <memory unit='MiB'>64</memory>
  <os><type>hvm</type></os>
  <devices>
    <disk type='file'>
      <driver name='qemu' type='qcow2'/>
      <source file='/nonexistent'/>
      <target dev='vda' bus='virtio'/>
      <encryption format='luks'><secret type='passphrase' uuid='` + secretUUID + `'/></encryption>
      <boot order='1'/>
    </disk>
    <interface type='bridge'>
      <source bridge='br100'/>
      <model type='virtio'/>
    </interface>
  </devices>
</domain>`

const secretUUID = "7e1b2a3c-5ec7-4000-8000-000000000001"

func dumps(t *testing.T, l *lab.Lab, domains ...string) string {
	t.Helper()
	var b strings.Builder
	for _, d := range domains {
		fmt.Fprint(&b, virsh(t, l, "dumpxml", d), virsh(t, l, "dumpxml", "--inactive", "--security-info", d))
	}
	return b.String()
}
