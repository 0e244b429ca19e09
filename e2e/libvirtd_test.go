package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/reconcile/decide"
	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestLibvirtdKilled kills libvirtd and starts it again, 8 times, while 80
// domains are defined and some bypass the agent just before each kill.
func TestLibvirtdKilled(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		const domains, kills, each = 80, 8, 15
		g := novaGuest(t, l, "image-raw-filterref")
		running := novaGuest(t, l, "two-nics-two-filters")
		virsh(t, l, "define", running.File)
		virsh(t, l, "start", "--paused", running.Name)
		pid, err := l.QEMUPID(running.Name)
		if err != nil {
			t.Fatal(err)
		}
		files := make([]string, domains)
		for i := range files {
			document := strings.Replace(g.Document, g.Name, name(i), 1)
			document = strings.ReplaceAll(document, g.UUID, fmt.Sprintf("7e1b2a3c-0000-4000-9000-%012d", i))
			files[i] = writeFile(t, name(i)+".xml", document)
		}
		define(t, l, files)
		startAgent(t, l)
		began := time.Now()
		for i := range kills {
			define(t, l, files[i*each%domains:][:each/3])
			l.KillLibvirtd()
			if err := l.StartLibvirtd(t.Context()); err != nil {
				t.Fatal(err)
			}
			define(t, l, files[(i*each+each/3)%domains:][:each/3])
		}
		conn := dial(t)
		await(t, func() error {
			var all []error
			for i := range domains {
				s, err := conn.Read(t.Context(), name(i))
				if err == nil && !decide.Enforce(defaultRewriter(), s, false).InSync() {
					err = fmt.Errorf("%s is not in sync", s.Name)
				}
				all = append(all, err)
			}
			return errors.Join(append(all, noFilter(t, l, running.Name))...)
		})
		if now, err := l.QEMUPID(running.Name); err != nil || now != pid {
			t.Errorf("the QEMU that ran is process %d (%v), was %d", now, err, pid)
		}
		if n := len(strings.Fields(virsh(t, l, "list", "--all", "--name"))); n != domains+1 {
			t.Errorf("%d domains, want %d", n, domains+1)
		}
		entries, err := l.Journal(t.Context(), "-t", "virt-netboot")
		if err != nil {
			t.Fatal(err)
		}
		connected := 0
		for _, e := range entries {
			if strings.HasPrefix(e["MESSAGE"], "connected to libvirt") {
				connected++
			}
		}
		if connected < 2 {
			t.Errorf("connected %d times: the agent has not noticed", connected)
		}
		t.Logf("%d domains are in sync after %d kills in %v; connected %d times, %d log entries",
			domains, kills, time.Since(began).Round(time.Second), connected, len(entries))
	})
}

func name(i int) string { return fmt.Sprintf("killed-%03d", i) }

// define defines domains in one go, bypassing the agent.
func define(t *testing.T, l *lab.Lab, files []string) {
	t.Helper()
	virsh(t, l, "define "+strings.Join(files, "; define "))
}
