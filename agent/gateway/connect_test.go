package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"golang.org/x/sys/unix"
)

// busyListener is a libvirt that accepts no client until the returned function is
// called.
func busyListener(t *testing.T) (path string, accept func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "libvirt-sock")
	newFD := func() int {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	l, address := newFD(), &unix.SockaddrUnix{Name: path}
	if err := errors.Join(unix.Bind(l, address), unix.Listen(l, 0)); err != nil {
		t.Fatal(err)
	}
	for {
		err := unix.Connect(newFD(), address)
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return path, func() {
		fd, _, err := unix.Accept(l)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
	}
}

// TestConnectToABusyLibvirt: who has left is not waited for any longer, and who is
// there gets in when libvirt accepts again.
func TestConnectToABusyLibvirt(t *testing.T) {
	for name, leaves := range map[string]bool{"the client leaves": true, "the client waits": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := quietServer(t)
			path, accept := busyListener(t)
			s.Upstream = func() string { return path }
			client, end := socketPair(t)
			if leaves {
				client.close()
			}
			connected := make(chan error, 1)
			go func() {
				libvirt, err := s.connect(t.Context(), s.own, end.fd)
				if err == nil {
					libvirt.close()
				}
				connected <- err
			}()
			if !leaves {
				select {
				case err := <-connected:
					t.Fatalf("connecting ended with %v although the client waits", err)
				case <-time.After(1500 * time.Millisecond): // more than one attempt
				}
				accept()
			}
			select {
			case err := <-connected:
				if leaves != errors.Is(err, unix.EAGAIN) || !leaves && err != nil {
					t.Errorf("connecting ended with %v", err)
				}
			case <-time.After(20 * time.Second):
				t.Error("connecting does not end")
			}
		})
	}
}

// TestBypassesItsOwnSocket: while libvirt's socket is restarted, the usual path is
// all that there is, and the gateway's own.
func TestBypassesItsOwnSocket(t *testing.T) {
	l := newLab(t, func(s *Server) {
		own := s.Listeners[0].Addr().String()
		s.Listeners[0].own = false
		if err := os.Rename(s.Upstream(), libvirt.Direct(own)); err != nil {
			t.Fatal(err)
		}
		s.Upstream = func() string { return own }
	})
	if err := os.Chmod(l.path, 0o666); err != nil {
		t.Fatal(err)
	}
	client, libvirt := l.connect(t)
	wantPasses(t, client, libvirt)
}
