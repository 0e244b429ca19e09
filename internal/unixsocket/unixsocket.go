// Package unixsocket makes unix sockets that only their owner may use.
package unixsocket

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// Listen makes a stream socket at path, in place of one that is there. Its
// directory is made where it is missing. Closing it removes it from path, unless
// somebody else's is there by then.
func Listen(path string) (*Listener, error) {
	l := &Listener{path: path}
	err := place(path, func(name string) (err error) {
		l.UnixListener, err = net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
		if err == nil {
			l.SetUnlinkOnClose(false) // there is nothing at that name any more
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	l.info, err = os.Lstat(path)
	return l, err
}

// Listener is a socket of Listen's.
type Listener struct {
	*net.UnixListener
	path string
	info fs.FileInfo
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	return errors.Join(l.UnixListener.Close(), remove(l.path, l.info))
}

// ListenPacket is Listen for datagrams.
func ListenPacket(path string) (*PacketConn, error) {
	c := &PacketConn{path: path}
	err := place(path, func(name string) (err error) {
		c.UnixConn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		return err
	})
	if err != nil {
		return nil, err
	}
	c.info, err = os.Lstat(path)
	return c, err
}

// PacketConn is a socket of ListenPacket's.
type PacketConn struct {
	*net.UnixConn
	path string
	info fs.FileInfo
}

// Close implements net.Conn.
func (c *PacketConn) Close() error {
	return errors.Join(c.UnixConn.Close(), remove(c.path, c.info))
}

// place has a socket made beside path and moves it there once nobody but its owner
// may connect: whoever looks at path never sees one that others may use, or none.
func place(path string, listen func(name string) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making the directory of a socket: %w", err)
	}
	name := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a stale socket: %w", err)
	}
	if err := listen(name); err != nil {
		return fmt.Errorf("making socket %s: %w", path, err)
	}
	if err := os.Chmod(name, 0o600); err != nil {
		return fmt.Errorf("closing socket %s to others: %w", path, err)
	}
	if err := os.Rename(name, path); err != nil {
		return fmt.Errorf("making socket %s: %w", path, err)
	}
	return nil
}

// remove removes a socket from path if it is the one there.
func remove(path string, own fs.FileInfo) error {
	if now, err := os.Lstat(path); err != nil || !os.SameFile(own, now) {
		return nil
	}
	return os.Remove(path)
}
