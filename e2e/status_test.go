package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// statusRow is what status --json says of a domain.
type statusRow struct {
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`
	Project     string `json:"project"`
	Active      bool   `json:"active"`
	BootsFrom   string `json:"boots_from"`
	Filters     []string
	Rule        string
	Pending     []statusNote
	Warnings    []statusNote
}

type statusNote struct{ Kind string }

type statusAnswer struct {
	Domains []statusRow
	Libvirt struct {
		Connected bool
		Version   string
	}
	Gateway struct{ Clients, Rewritten, Refused int }
	Config  struct{ Mode, Error string }
	Files   []struct{ Path, State string }
}

func statusOf(t *testing.T, l *lab.Lab) (s statusAnswer, exit int) {
	t.Helper()
	out, err := l.VirtNetboot(t.Context(), "status", "--json")
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("reading the status: %v", err)
	}
	return s, exitStatus(t, err)
}

func exitStatus(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	t.Fatal(err)
	return 0
}

// TestStatus shows guests that came in by each door, and an agent that has lost its
// libvirt.
func TestStatus(t *testing.T) {
	lab.Run(t, lab.Options{Config: "files: [{path: /etc/nova/dnsmasq.conf, kind: dnsmasq}]\n"}, func(t *testing.T, l *lab.Lab) {
		if _, err := l.VirtNetboot(t.Context(), "status"); exitStatus(t, err) != 2 || !strings.Contains(err.Error(), "the agent does not run") {
			t.Errorf("without an agent: %v", err)
		}
		running, kernel := novaGuest(t, l, "image-raw-filterref"), novaGuest(t, l, "ami-kernel-ramdisk")
		virsh(t, l, "define", running.File)
		virsh(t, l, "start", "--paused", running.Name)
		startAgent(t, l)
		virshGateway(t, l, "define", kernel.File)
		through := novaGuest(t, l, "image-qcow2-neutron")
		virshGateway(t, l, "define", through.File)

		want := []statusRow{
			{
				Name: kernel.Name, BootsFrom: "kernel", Rule: "default",
				Warnings: []statusNote{{"kernel"}},
			},
			{
				Name: running.Name, Active: true, BootsFrom: "disk", Rule: "default",
				Pending: []statusNote{{"boot-order"}},
			},
			{Name: through.Name, BootsFrom: "network", Rule: "default"},
		}
		await(t, func() error {
			s, exit := statusOf(t, l)
			for i := range s.Domains {
				d := &s.Domains[i]
				if d.DisplayName == "" || d.Project == "" {
					return fmt.Errorf("%s has display name %q and project %q", d.Name, d.DisplayName, d.Project)
				}
				d.DisplayName, d.Project = "", ""
				if len(d.Filters) == 0 {
					d.Filters = nil
				}
				if len(d.Pending) == 0 {
					d.Pending = nil
				}
				if len(d.Warnings) == 0 {
					d.Warnings = nil
				}
			}
			diff := cmp.Diff(byName(want), byName(s.Domains))
			if exit != 0 || diff != "" {
				return fmt.Errorf("exit status %d, domains -want +got:\n%s", exit, diff)
			}
			return nil
		})
		s, _ := statusOf(t, l)
		if !s.Libvirt.Connected || s.Libvirt.Version == "" || s.Gateway.Rewritten != 2 || s.Config.Mode != "enforce" {
			t.Errorf("the status is %+v", s)
		}
		if len(s.Files) != 1 || s.Files[0].State != "missing" {
			t.Errorf("the files are %+v", s.Files)
		}
		text := virtNetboot(t, l, "status")
		t.Log("\n" + text)
		for _, pattern := range []string{
			`(?m)^` + running.Name + ` .* running +disk +none +default +boot-order +-$`,
			`(?m)^` + kernel.Name + ` .* off +kernel +\S+ +default +- +kernel$`,
			`(?m)^` + running.Name + `: at its next start: boot order network, hd instead of hd$`,
			`(?m)^` + kernel.Name + `: warning: boots kernel ` + regexp.QuoteMeta(kernel.Domain.OS.Kernel),
			`(?m)^Gateway  0 clients; 2 calls rewritten, 0 refused`,
			`(?m)^Libvirt  [0-9.]+, connected since `,
		} {
			if !regexp.MustCompile(pattern).MatchString(text) {
				t.Errorf("the text has no line %s", pattern)
			}
		}

		l.KillLibvirtd()
		await(t, func() error {
			text, err := l.VirtNetboot(t.Context(), "status")
			if exitStatus(t, err) != 1 || !strings.Contains(text, "Libvirt  not connected since ") {
				return fmt.Errorf("without libvirtd: %v\n%s", err, text)
			}
			return nil
		})
	})
}

func byName(rows []statusRow) map[string]statusRow {
	all := make(map[string]statusRow, len(rows))
	for _, r := range rows {
		all[r.Name] = r
	}
	return all
}

// TestStatusForRoot: only root may see domains' names and projects.
func TestStatusForRoot(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		program := copyFor(t, filepath.Join(os.Getenv("VIRT_NETBOOT_BIN"), "virt-netboot"))
		nobody := &syscall.Credential{Uid: 65534, Gid: 65534}
		out, err := startShell(t, nobody, program, "status").finish("")
		if exitStatus(t, err) != 2 || !strings.Contains(out, "only root may ask the agent") {
			t.Errorf("the user nobody gets %q, %v", out, err)
		}
	})
}

// TestStatusWatch shows a person a domain that appears.
func TestStatusWatch(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		g := novaGuest(t, l, "image-qcow2-neutron")
		program := filepath.Join(os.Getenv("VIRT_NETBOOT_BIN"), "virt-netboot")
		screen := startTerminal(t, program, "status", "--watch", "--interval", "50ms")
		screen.awaitText(t, "No domains.")
		virsh(t, l, "define", g.File)
		screen.awaitText(t, g.Name)
		screen.typeText(t, "\x03") // Ctrl-C
		screen.awaitEnd(t)
		if screen.err != nil {
			t.Errorf("--watch ends with %v", screen.err)
		}
	})
}
