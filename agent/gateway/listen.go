package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Listener is a unix socket that clients of libvirt connect to.
type Listener struct {
	*net.UnixListener
	// own: made here, so its mode and group are ours to set.
	own bool
	// displaced: the path leads elsewhere, as far as Check has seen.
	displaced bool
}

// Listen returns the sockets that systemd passed (sd_listen_fds(3)), or without any
// one of its own at path. A stale socket there is replaced; one
// that another process listens on is an error. Only the owner may connect to it
// until Server.Serve gives it the mode and group of libvirt's socket.
func Listen(path string, passed ...*os.File) ([]*Listener, error) {
	if len(passed) > 0 {
		return activated(passed)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("making the directory of the gateway's socket: %w", err)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("making the gateway's socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("closing the gateway's socket to others: %w", err)
	}
	return []*Listener{{UnixListener: l, own: true}}, nil
}

func activated(files []*os.File) ([]*Listener, error) {
	var ls []*Listener
	for _, f := range files {
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("taking over socket %s from systemd: %w", f.Name(), err)
		}
		u, ok := l.(*net.UnixListener)
		if !ok {
			return nil, fmt.Errorf("socket %s from systemd listens on %s; the gateway wants a path (ListenStream=/run/...)", f.Name(), l.Addr())
		}
		ls = append(ls, &Listener{UnixListener: u})
	}
	return ls, nil
}

// acceptFD accepts a client as a descriptor that Go's network poller has no part
// in: the poller would wake another thread at each of its messages. It returns
// the address of the client's end too, which is hardly ever named.
func (l *Listener) acceptFD() (int, string, error) {
	c, err := l.AcceptUnix()
	if err != nil {
		return -1, "", err
	}
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, "", err
	}
	var fd int
	var dupErr error
	err = raw.Control(func(polled uintptr) {
		fd, dupErr = unix.FcntlInt(polled, unix.F_DUPFD_CLOEXEC, 0)
	})
	return fd, c.RemoteAddr().String(), errors.Join(err, dupErr)
}

// hasClient reports whether a client waits to be accepted.
func (l *Listener) hasClient() bool {
	raw, err := l.SyscallConn()
	if err != nil {
		return false // closed
	}
	var n int
	err = raw.Control(func(fd uintptr) {
		n, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	})
	return err == nil && n > 0
}

// removeStale removes the socket that a process left behind.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for an old socket of the gateway: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is not a socket: remove it or set gateway.listen to another path", path)
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return fmt.Errorf("another process listens on %s: stop it or set gateway.listen to another path", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("checking whether a process listens on %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("removing the stale socket: %w", err)
	}
	return nil
}

// follow gives our own sockets the mode and group of libvirt's, whenever that
// appears or changes.
func (s *Server) follow(ctx context.Context, last access) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			last = s.adopt(last)
		}
	}
}

// adopt returns the mode and group that our sockets have now, given those that
// they had.
func (s *Server) adopt(last access) access {
	a, err := accessOf(s.upstream())
	if err != nil || a == last {
		return last
	}
	for _, l := range s.Listeners {
		if !l.own {
			continue
		}
		path := l.Addr().String()
		if err := a.apply(path); err != nil {
			s.Log.Warnf("giving %s the mode and group of libvirt's socket: %v", path, err)
		}
	}
	return a
}

// access is who may connect to a socket besides its owner.
type access struct {
	mode fs.FileMode
	gid  uint32
}

func accessOf(path string) (access, error) {
	info, err := os.Stat(path)
	if err != nil {
		return access{}, err
	}
	return access{info.Mode().Perm(), info.Sys().(*syscall.Stat_t).Gid}, nil
}

// apply sets the group before the mode: in between no new client may connect.
func (a access) apply(path string) error {
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	if err := os.Chown(path, -1, int(a.gid)); err != nil {
		return err
	}
	return os.Chmod(path, a.mode)
}
