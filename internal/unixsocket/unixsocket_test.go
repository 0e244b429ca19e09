package unixsocket

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestListen: only the owner may connect, whatever the umask, and a socket that is
// there is replaced.
func TestListen(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := filepath.Join(t.TempDir(), "run/sock")
	first, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Listen(path)
	if err != nil {
		t.Fatalf("in place of another: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	expectSocket(t, path)
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the second is gone with the first: %v", err)
	}
	c.Close()
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	expectNothing(t, path)
}

func TestListenPacket(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := filepath.Join(t.TempDir(), "run/sock")
	l, err := ListenPacket(path)
	if err != nil {
		t.Fatal(err)
	}
	expectSocket(t, path)
	c, err := net.Dial("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if n, err := l.Read(b); string(b[:n]) != "hello" {
		t.Errorf("received %q, %v", b[:n], err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	expectNothing(t, path)
}

func expectSocket(t *testing.T, path string) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := os.ModeSocket | 0o600; info.Mode() != want {
		t.Errorf("its mode is %v, want %v", info.Mode(), want)
	}
	expectEntries(t, path, 1)
}

func expectNothing(t *testing.T, path string) {
	t.Helper()
	expectEntries(t, path, 0)
}

func expectEntries(t *testing.T, path string, n int) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != n {
		t.Errorf("the directory has %v, %v, want %d entries", entries, err, n)
	}
}

// TestNotPlaced: a socket that cannot have its name says so and leaves nothing
// beside it.
func TestNotPlaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, listen := range map[string]func(string) error{
		"stream":    func(path string) error { _, err := Listen(path); return err },
		"datagrams": func(path string) error { _, err := ListenPacket(path); return err },
	} {
		if err := listen(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want one that names %s", name, err, path)
		}
		expectEntries(t, path, 1)
	}
}
