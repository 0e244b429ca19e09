package journal

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const journald = "/lib/systemd/systemd-journald"

// startJournald runs a journald of its own, in a mount namespace with an empty
// /run, and returns that namespace's root as seen from here.
func startJournald(t *testing.T) (root string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a journald of its own needs root")
	}
	if _, err := os.Stat(journald); err != nil {
		t.Skipf("needs systemd: %v", err)
	}
	cmd := exec.Command("unshare", "--mount", "sh", "-ec", `
		mount -t tmpfs run /run
		mkdir -p /run/log/journal /run/systemd/journal /run/systemd/journald.conf.d
		printf '[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\nRateLimitBurst=0\n' >/run/systemd/journald.conf.d/test.conf
		exec `+journald)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	root = fmt.Sprintf("/proc/%d/root", cmd.Process.Pid)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		// The host may have a journal too: the one in the other /run counts.
		if private(root) {
			if _, err := os.Stat(root + JournalSocket); err == nil {
				return root
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("journald made no socket within 30 s")
		}
	}
}

func private(root string) bool {
	_, err := os.Stat(root + "/run/systemd/journald.conf.d/test.conf")
	return err == nil
}

// read returns the entries of the private journal that journalctl finds.
func read(t *testing.T, root string, args ...string) []map[string]string {
	t.Helper()
	var entries []map[string]string
	for deadline := time.Now().Add(30 * time.Second); len(entries) == 0 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		args := append([]string{"--all", "--output=json", "--directory=" + root + "/run/log/journal"}, args...)
		out, err := exec.Command("journalctl", args...).Output()
		if err != nil {
			continue // nothing there yet
		}
		for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
			var e map[string]string
			if json.Unmarshal([]byte(line), &e) == nil {
				entries = append(entries, e)
			}
		}
	}
	return entries
}

func TestJournald(t *testing.T) {
	root := startJournald(t)
	log := (&Sink{Identifier: "virt-netboot", Journal: root + JournalSocket, Syslog: "/nonexistent/log"}).Logger()
	large := strings.Repeat("large\n", 1<<20)
	log.WithField("DOMAIN", "plain").Warn("one line")
	log.WithField("DOMAIN", "lines").Error("two\nlines")
	log.WithField("DOMAIN", "large").WithField("DIFF", large).Info("more than a datagram holds")
	for domain, want := range map[string]map[string]string{
		"plain": {"MESSAGE": "one line", "PRIORITY": "4"},
		"lines": {"MESSAGE": "two\nlines", "PRIORITY": "3"},
		"large": {"MESSAGE": "more than a datagram holds", "PRIORITY": "6", "DIFF": large},
	} {
		t.Run(domain, func(t *testing.T) {
			entries := read(t, root, "-t", "virt-netboot", "DOMAIN="+domain)
			if len(entries) != 1 {
				t.Fatalf("journalctl -t virt-netboot DOMAIN=%s finds %d entries, want 1", domain, len(entries))
			}
			want["_TRANSPORT"] = "journal"
			for key, value := range want {
				if entries[0][key] != value {
					t.Errorf("%s = %.100q, want %.100q", key, entries[0][key], value)
				}
			}
		})
	}
}

// journald's own /dev/log stands for every syslog daemon.
func TestSyslog(t *testing.T) {
	root := startJournald(t)
	log := (&Sink{Identifier: "virt-netboot", Journal: "/nonexistent/journal", Syslog: root + "/run/systemd/journal/dev-log"}).Logger()
	log.WithField("DOMAIN", "vm").Warn("by syslog")
	entries := read(t, root, "-t", "virt-netboot")
	if len(entries) != 1 {
		t.Fatalf("journalctl -t virt-netboot finds %d entries, want 1", len(entries))
	}
	got := map[string]string{}
	for _, key := range []string{"MESSAGE", "PRIORITY", "SYSLOG_FACILITY", "SYSLOG_PID", "_TRANSPORT"} {
		got[key] = entries[0][key]
	}
	want := map[string]string{
		"MESSAGE": `by syslog DOMAIN="vm"`, "PRIORITY": "4", "SYSLOG_FACILITY": "3",
		"SYSLOG_PID": fmt.Sprint(os.Getpid()), "_TRANSPORT": "syslog",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
