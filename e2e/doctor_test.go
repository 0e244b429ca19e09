package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

const (
	doctorConfig = "rules:\n  - {name: strict, filterref: replace:clean-traffic}\n"
	novaPointed  = "[libvirt]\nconnection_uri = qemu+unix:///system?socket=" + lab.GatewaySocket + "\n"
	ignoreIPXE   = "dhcp-userclass=set:ipxe,iPXE\ndhcp-ignore=tag:ipxe\n"
)

// findings are the checks with another level than ok.
type findings map[string]string

// TestDoctor causes each failure on a healthy node. The doctor must find it, must
// find nothing but what it entails, and find nothing once it is fixed.
func TestDoctor(t *testing.T) {
	options := lab.Options{
		Hook:   true,
		Config: doctorConfig,
		// As on a real machine, where two libvirts have one UUID.
		LibvirtdConf: "host_uuid = \"6c61622d-0000-4000-8000-000000000002\"\n",
	}
	lab.Run(t, options, func(t *testing.T, l *lab.Lab) {
		virsh(t, l, "define", novaGuest(t, l, "image-raw-filterref").File)
		startAgent(t, l)
		put(t, "/etc/nova/nova.conf", novaPointed)
		put(t, "/etc/nova/dnsmasq.conf", ignoreIPXE)
		startNovaDnsmasq(t, l, "/etc/nova/dnsmasq.conf")
		wantFindings(t, l, findings{})
		for _, ill := range illnesses() {
			t.Run(ill.name, func(t *testing.T) {
				cure := ill.cause(t, l)
				if found := wantFindings(t, l, ill.want); !strings.Contains(found, ill.says) {
					t.Errorf("it does not say %q:\n%s", ill.says, found)
				}
				cure()
				wantFindings(t, l, findings{})
			})
		}
	})
}

// TestDoctorDnsmasq starts servers of OpenStack's that answer iPXE.
func TestDoctorDnsmasq(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true, Config: "files: []\n"}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		put(t, "/etc/nova/dnsmasq.conf", "log-dhcp\n")
		stop := startNovaDnsmasq(t, l, "/etc/nova/dnsmasq.conf")
		found := wantFindings(t, l, findings{"dnsmasq": "failure"})
		if !strings.Contains(found, "add to /etc/nova/dnsmasq.conf") {
			t.Errorf("without the lines:\n%s", found)
		}
		put(t, "/etc/nova/dnsmasq.conf", ignoreIPXE)
		found = wantFindings(t, l, findings{"dnsmasq": "failure"})
		if !strings.Contains(found, "does not read it again") {
			t.Errorf("started before the lines:\n%s", found)
		}
		stop()
		startNovaDnsmasq(t, l, "/etc/nova/dnsmasq.conf")
		wantFindings(t, l, findings{})
	})
}

// TestDoctorFiles puts a stock file back while no agent runs.
func TestDoctorFiles(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true}, func(t *testing.T, l *lab.Lab) {
		put(t, "/etc/nova/dnsmasq.conf", "log-dhcp\n")
		wantFindings(t, l, findings{"agent": "failure", "gateway": "failure", "files": "failure", "reconcile": "warning"})
		startAgent(t, l)
		await(t, func() error {
			if text, err := os.ReadFile("/etc/nova/dnsmasq.conf"); !strings.Contains(string(text), ignoreIPXE) {
				return fmt.Errorf("the agent has not patched the file: %q, %v", text, err)
			}
			return nil
		})
		wantFindings(t, l, findings{})
	})
}

// TestDoctorHookFound adds the hook to a running libvirtd, which does not see it
// before it is reloaded: the doctor says the same as libvirtd does.
func TestDoctorHookFound(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		installed := findings{"hook-found": "failure"}
		must(t, l.InstallHook())
		g := novaGuest(t, l, "ami-kernel-ramdisk") // which the hook warns of at each start
		virsh(t, l, "define", g.File)

		wantFindings(t, l, installed)
		virsh(t, l, "start", "--paused", g.Name)
		virsh(t, l, "destroy", g.Name)
		if calls := hookCalls(t, l); calls != 0 {
			t.Fatalf("libvirtd called the hook %d times before it was reloaded", calls)
		}
		wantFindings(t, l, installed)

		reloadLibvirtd(t)
		wantFindings(t, l, findings{})
		virsh(t, l, "start", "--paused", g.Name)
		virsh(t, l, "destroy", g.Name)
		if calls := hookCalls(t, l); calls == 0 {
			t.Fatal("libvirtd did not call the hook after it was reloaded")
		}
	})
}

// TestDoctorHookCalled hides the trace of the reload: a call of the hook is one
// too.
func TestDoctorHookCalled(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		must(t, l.InstallHook())
		g := novaGuest(t, l, "ami-kernel-ramdisk")
		virsh(t, l, "define", g.File)
		reloadLibvirtd(t)
		const leases = "/run/libvirt/network/nwfilter.leases"
		must(t, os.Remove(leases))
		wantFindings(t, l, findings{"hook-found": "warning"})
		virsh(t, l, "start", "--paused", g.Name)
		await(t, func() error {
			if hookCalls(t, l) == 0 {
				return errors.New("the hook has not been called")
			}
			return nil
		})
		wantFindings(t, l, findings{"boot": "warning"}) // its kernel
	})
}

// TestDoctorWithoutRoot asks as a user who may not see everything.
func TestDoctorWithoutRoot(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		put(t, "/etc/nova/nova.conf", novaPointed)
		must(t, os.Chmod("/etc/nova/nova.conf", 0o640))
		program := copyFor(t, filepath.Join(os.Getenv("VIRT_NETBOOT_BIN"), "virt-netboot"))
		copyFor(t, filepath.Join(os.Getenv("VIRT_NETBOOT_BIN"), "qemu-hook")) // which the doctor compares with what libvirt runs
		cmd := exec.Command(program, "doctor")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account(t, "nobody")}
		out, err := cmd.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("it ends with %v, want status 1", err)
		}
		if line, _ := lineWith(string(out), "nova "); !strings.HasPrefix(line, "warning") || !strings.Contains(string(out), "run it as root") {
			t.Errorf("it says:\n%s", out)
		}
	})
}

// wantFindings runs the doctor, compares, and returns what a person would read.
func wantFindings(t *testing.T, l *lab.Lab, want findings) string {
	t.Helper()
	out, err := l.VirtNetboot(t.Context(), "doctor", "--json")
	var results []struct{ Check, Level, Found, Remedy string }
	if jsonErr := json.Unmarshal([]byte(out), &results); jsonErr != nil {
		t.Fatalf("reading the doctor's answer: %v (%v)", jsonErr, err)
	}
	got, status := findings{}, 0
	var text strings.Builder
	for _, r := range results {
		if r.Level == "ok" {
			continue
		}
		if got[r.Check] != "failure" {
			got[r.Check] = r.Level
		}
		status = max(status, map[string]int{"warning": 1, "failure": 2}[r.Level])
		fmt.Fprintf(&text, "%s %s: %s\n→ %s\n", r.Level, r.Check, r.Found, r.Remedy)
		if r.Remedy == "" {
			t.Errorf("%s: %s: nothing to do about it", r.Check, r.Found)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s\n%s", diff, text.String())
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status -= exit.ExitCode()
	}
	if status != 0 {
		t.Errorf("the exit status is off by %d (%v)", status, err)
	}
	return text.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put writes a file and the directories above it.
func put(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

func installHook(t *testing.T, l *lab.Lab) {
	t.Helper()
	must(t, l.InstallHook())
	reloadLibvirtd(t)
}

// reloadLibvirtd is systemctl reload libvirtd, and waits for its end.
func reloadLibvirtd(t *testing.T) {
	t.Helper()
	const leases = "/run/libvirt/network/nwfilter.leases" // made again by each reload
	before, err := os.Stat(leases)
	must(t, err)
	text, err := os.ReadFile("/run/libvirtd.pid")
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	must(t, syscall.Kill(pid, syscall.SIGHUP))
	await(t, func() error {
		if after, err := os.Stat(leases); err != nil || os.SameFile(before, after) {
			return fmt.Errorf("libvirtd has not reloaded (%v)", err)
		}
		return nil
	})
}

// hookCalls is how many warnings the hook has logged.
func hookCalls(t *testing.T, l *lab.Lab) int {
	t.Helper()
	entries, err := l.Journal(t.Context(), "OPERATION=prepare")
	must(t, err)
	return len(entries)
}

// startNovaDnsmasq starts dnsmasq as nova-network does.
func startNovaDnsmasq(t *testing.T, l *lab.Lab, conf string) (stop func()) {
	t.Helper()
	const bridge = "br100"
	must(t, l.AddBridge(t.Context(), bridge))
	if _, err := l.Command(t.Context(), "ip", "address", "replace", "10.0.0.1/24", "dev", bridge); err != nil {
		t.Fatal(err)
	}
	put(t, "/var/lib/nova/networks/nova-br100.conf", "")
	const pid = "/run/nova-br100.pid"
	_ = os.Remove(pid) // of one before
	stop = startProgram(t, "dnsmasq", "--keep-in-foreground", "--strict-order", "--bind-interfaces",
		"--conf-file="+conf, "--pid-file="+pid, "--listen-address=10.0.0.1", "--except-interface=lo",
		"--dhcp-range=10.0.0.0,static,120s", "--dhcp-hostsfile=/var/lib/nova/networks/nova-br100.conf", "--leasefile-ro")
	await(t, func() error {
		_, err := os.Stat(pid)
		return err
	})
	return stop
}

// startProgram starts a program that stop, or the end of the test, ends.
func startProgram(t *testing.T, name string, args ...string) (stop func()) {
	t.Helper()
	cmd := exec.Command(name, args...)
	must(t, cmd.Start())
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = cmd.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// copyFor copies a program to where every user can run it.
func copyFor(t *testing.T, program string) string {
	t.Helper()
	text, err := os.ReadFile(program)
	must(t, err)
	path := filepath.Join("/run/copies", filepath.Base(program))
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, text, 0o755))
	return path
}
