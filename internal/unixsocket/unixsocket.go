// Package unixsocket makes unix sockets that only their owner may use.
package unixsocket

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// Listen makes a stream socket at path, in place of one that is there. It makes the
// directory where it is missing. Closing the socket removes it from path, unless another
// socket has taken its place.
func Listen(path string) (*Listener, error) {
	l, at, err := listenAt(path, func(name string) (*net.UnixListener, error) {
		return net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // the socket has been moved away from that name
	return &Listener{l, at}, nil
}

// Listener is a socket of Listen's.
type Listener struct {
	*net.UnixListener
	at entry
}

// Close implements net.Listener.
func (l *Listener) Close() error { return errors.Join(l.UnixListener.Close(), l.at.remove()) }

// ListenPacket is Listen for datagrams.
func ListenPacket(path string) (*PacketConn, error) {
	c, at, err := listenAt(path, func(name string) (*net.UnixConn, error) {
		return net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	})
	if err != nil {
		return nil, err
	}
	return &PacketConn{c, at}, nil
}

// PacketConn is a socket of ListenPacket's.
type PacketConn struct {
	*net.UnixConn
	at entry
}

// Close implements net.Conn.
func (c *PacketConn) Close() error { return errors.Join(c.UnixConn.Close(), c.at.remove()) }

// entry is a socket's entry in its directory.
type entry struct {
	path string
	info fs.FileInfo
}

// listenAt makes a socket beside path and moves it there once only its owner may
// connect. So path always has a socket, and never one that others may use.
func listenAt[S io.Closer](path string, listen func(name string) (S, error)) (socket S, at entry, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return socket, at, fmt.Errorf("making the directory of a socket: %w", err)
	}
	name := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return socket, at, fmt.Errorf("removing a stale socket: %w", err)
	}
	if socket, err = listen(name); err != nil {
		return socket, at, fmt.Errorf("making socket %s: %w", path, err)
	}
	if at, err = move(name, path); err != nil {
		_ = socket.Close()
		_ = os.Remove(name)
	}
	return socket, at, err
}

// move makes a socket its owner's only, and gives it its name.
func move(name, path string) (entry, error) {
	if err := os.Chmod(name, 0o600); err != nil {
		return entry{}, fmt.Errorf("closing socket %s to others: %w", path, err)
	}
	info, err := os.Lstat(name)
	if err != nil {
		return entry{}, fmt.Errorf("inspecting socket %s: %w", path, err)
	}
	if err := os.Rename(name, path); err != nil {
		return entry{}, fmt.Errorf("making socket %s: %w", path, err)
	}
	return entry{path, info}, nil
}

// remove removes the socket if it is still the one there.
func (e entry) remove() error {
	if now, err := os.Lstat(e.path); err != nil || !os.SameFile(e.info, now) {
		return nil
	}
	return os.Remove(e.path)
}
