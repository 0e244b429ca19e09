package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/internal/credentials"
)

// maxConnecting is how many clients wait for libvirt to accept them on threads of
// their own; further ones wait for these.
const maxConnecting = 64

// connect connects to libvirt's socket as who, and waits as long as libvirt is too
// busy to accept and the client is there.
func (s *Server) connect(ctx context.Context, who credentials.Credentials, client int) (*socket, error) {
	path := s.upstream()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making a socket for %s: %w", path, err)
	}
	select {
	case s.connecting <- struct{}{}:
		defer func() { <-s.connecting }()
	case <-ctx.Done():
		unix.Close(fd)
		return nil, ctx.Err()
	}
	dial := func() error { return dial(fd, path) }
	for {
		if who.Equal(s.own) {
			err = dial()
		} else {
			err = credentials.As(who, dial)
		}
		if !errors.Is(err, unix.EAGAIN) || ctx.Err() != nil || hungUp(client) {
			break
		}
	}
	if err == nil {
		var sock *socket
		if sock, err = newSocket(fd); err == nil {
			return sock, nil
		}
	}
	unix.Close(fd)
	return nil, err
}

// dial connects fd to the socket at path. It returns unix.EAGAIN when the
// listener has not accepted within a second.
func dial(fd int, path string) error {
	patience := unix.NsecToTimeval(int64(time.Second))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience); err != nil {
		return fmt.Errorf("setting a timeout: %w", err)
	}
	for {
		err := unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return upstreamError{path, err}
		}
		return nil
	}
}

// upstreamError is libvirt's socket refusing a client.
type upstreamError struct {
	path string
	err  error
}

func (e upstreamError) Error() string { return fmt.Sprintf("connecting to %s: %v", e.path, e.err) }
func (e upstreamError) Unwrap() error { return e.err }

// hungUp reports whether the peer has closed its end.
func hungUp(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd)}}
	n, _ := unix.Poll(fds, 0)
	return n > 0 && fds[0].Revents&unix.POLLHUP != 0
}
