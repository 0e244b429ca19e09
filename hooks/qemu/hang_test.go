package qemu

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/internal/testing/hungfs"
)

// A file server that is gone blocks every program that looks at a file. The stand-in for
// it is a FUSE file system whose server never answers.
func TestHungFileSystem(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	for _, c := range []struct {
		name string
		hang string // the directory of a script's root where everything hangs
		want string // a regular expression
	}{
		{"initrd", "instances", "vm: boots kernel |gave up after 1.5s while reading initrd "},
		{"configuration", "etc/virt-netboot", "gave up after 1.5s while reading the configuration etc/virt-netboot/config.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			log := listenJournal(t, root)
			kernel, err := os.ReadFile("../testdata/kernel.xml")
			if err != nil {
				t.Fatal(err)
			}
			hung := filepath.Join(root, c.hang)
			if err := os.MkdirAll(hung, 0o700); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, "qemu-hook", "vm", "prepare", "begin", "-")
			cmd.Dir = root
			cmd.Stdin = bytes.NewReader(bytes.ReplaceAll(kernel, []byte("/var/lib/nova"), []byte(filepath.Join(root, "instances"))))
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			start := time.Now()
			if err := hungfs.Beside(hung, func(string) error { return cmd.Run() }); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took < time.Second {
				t.Errorf("took %v", took)
			}
			if out.Len() > 0 {
				t.Errorf("said %q", &out)
			}
			if got := log(); !regexp.MustCompile(c.want).MatchString(got) {
				t.Errorf("the log says %q, want %q", got, c.want)
			}
		})
	}
}

// listenJournal makes the journal's socket and returns a function that waits
// for its first entry.
func listenJournal(t *testing.T, root string) func() string {
	t.Helper()
	path := filepath.Join(root, "run/systemd/journal/socket")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func() string {
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1<<16)
		n, err := conn.Read(buf)
		if err != nil {
			t.Error(err)
		}
		return string(buf[:n])
	}
}
