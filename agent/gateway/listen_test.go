package gateway

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
)

func TestListenReplacesAStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "sock")
	first, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	first[0].SetUnlinkOnClose(false) // as when the process is killed
	first[0].Close()
	second, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := accessOf(path); err != nil || a.mode != 0o600 {
		t.Errorf("mode %v, %v", a.mode, err)
	}
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "another process listens on "+path) {
		t.Errorf("a second gateway: %v", err)
	}
	second[0].Close()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestListenKeepsOtherFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	if err := os.WriteFile(path, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "is not a socket") {
		t.Errorf("got %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("the file is %q, %v", b, err)
	}
}

func TestFollowsLibvirtsSocket(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	upstream := l.Upstream()
	wantMode := func(mode fs.FileMode) {
		t.Helper()
		eventually(t, fmt.Sprintf("the socket has mode %v", mode), func() bool {
			a, err := accessOf(l.path)
			return err == nil && a.mode == mode
		})
	}
	for _, mode := range []fs.FileMode{0o660, 0o666, 0o600} {
		if err := os.Chmod(upstream, mode); err != nil {
			t.Fatal(err)
		}
		wantMode(mode)
	}
	l.libvirt.Close() // libvirt restarts
	time.Sleep(1100 * time.Millisecond)
	wantMode(0o600)
	again, err := net.Listen("unix", upstream)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := os.Chmod(upstream, 0o666); err != nil {
		t.Fatal(err)
	}
	wantMode(0o666)
}

func TestTalksToItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	ls, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Listeners: ls, Upstream: func() string { return path }}
	if err := s.Serve(t.Context()); err == nil || !strings.Contains(err.Error(), "talk to itself") {
		t.Errorf("got %v", err)
	}
}

// activatedHelper prints what Listen makes of the sockets that came with LISTEN_FDS.
func activatedHelper() error {
	ls, err := Listen("/nonexistent/own", activation.Files(true)...)
	if err != nil {
		return err
	}
	for _, l := range ls {
		fmt.Println(l.Addr(), l.own)
	}
	return nil
}

func TestListenFDs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	for _, tt := range []struct {
		l    interface{ File() (*os.File, error) }
		want string
	}{
		{l, path + " false\n"},
		{tcp.(*net.TCPListener), "the gateway wants a path (ListenStream=/run/...)"},
	} {
		f, err := tt.l.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		// systemd knows the process id that LISTEN_PID has to have, the shell does too.
		cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" -helper activated`, "/proc/self/exe")
		if cmd.Args[3], err = os.Executable(); err != nil {
			t.Fatal(err)
		}
		cmd.ExtraFiles = []*os.File{f}
		out, _ := cmd.CombinedOutput()
		if !strings.Contains(string(out), tt.want) {
			t.Errorf("got %q, want %q", out, tt.want)
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("systemd's socket is gone: %v", err)
	}
}
