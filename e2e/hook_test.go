package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestHookDoesNotRead gives the hook a document that no pipe holds. At start,
// started, stopped and release it exits without having read any of it; libvirt gets
// EPIPE and must ignore it.
func TestHookDoesNotRead(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-raw-filterref")
		padding := "<description>" + strings.Repeat("a document of more than 64 KiB. ", 1<<15) + "</description></domain>"
		file := writeFile(t, "long.xml", strings.Replace(g.Document, "</domain>", padding, 1))
		virsh(t, l, "define", file)
		for range 3 {
			virsh(t, l, "start", "--paused", g.Name)
			virsh(t, l, "destroy", g.Name)
		}
		checkWarned(t, l, g.Name, "nova-instance-instance-0000006c-fa163e5043cd")
	})
}

// TestPackagedHook: the packages' script filters, refuses, and lets guests start where
// the program that it runs cannot.
func TestPackagedHook(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true}, func(t *testing.T, l *lab.Lab) {
		program := filepath.Join(os.Getenv("VIRT_NETBOOT_BIN"), "qemu-hook")
		must(t, l.InstallPackagedHook(program))
		checkRestore(t, l, "image-raw-filterref", restored{bootIndexes: map[string]int{"net0": 1, "virtio-disk0": 2}})

		g := novaGuest(t, l, "image-raw-filterref")
		must(t, l.WriteConfig("rules:\n  - name: strict\n    unprepared: deny\n"))
		if _, err := l.Virsh(t.Context(), "start", "--paused", g.Name); err == nil || !strings.Contains(err.Error(), `rule "strict" wants`) {
			t.Errorf("a start that a rule refuses: %v", err)
		}

		short := "#!/bin/sh\nulimit -v 300000\nexec " + program + " \"$@\"\n"
		must(t, l.InstallHookScript([]byte(short)))
		if _, err := l.Virsh(t.Context(), "start", "--paused", g.Name); err == nil || !strings.Contains(err.Error(), "failed to reserve page summary memory") {
			t.Errorf("the program alone, short of memory: %v", err)
		}
		shortProgram := writeFile(t, "short", short)
		must(t, os.Chmod(shortProgram, 0o755))
		must(t, l.InstallPackagedHook(shortProgram))
		virsh(t, l, "start", "--paused", g.Name)
		awaitMessages(t, l, 1, g.Name+" goes on unchanged at prepare: "+shortProgram+" ended with status 2")
		virsh(t, l, "destroy", g.Name)
	})
}
