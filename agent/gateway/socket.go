package gateway

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a connected unix stream socket. None of its calls wait: they return
// unix.EAGAIN instead, whatever mode the descriptor is in.
type socket struct {
	fd  int
	msg unix.Msghdr
	iov unix.Iovec
	oob [oobSize]byte
}

// oobSize is room for the descriptors of one message: SCM_MAX_FD in the kernel's
// include/net/scm.h is 253.
const oobSize = 16 + 4*253 + 4

// sendBuffer is what the kernel may hold for a peer that is behind. With the
// kernel's 208 KiB a volume's upload waits for the gateway's turn again and again.
const sendBuffer = 1 << 20

func newSocket(fd int) (*socket, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer); err != nil {
		return nil, fmt.Errorf("setting a socket's send buffer: %w", err)
	}
	return &socket{fd: fd}, nil
}

// recv receives bytes into b, and the descriptors that came with the last of
// them: the kernel never returns bytes beyond some that carry descriptors. At the
// end of the stream n is 0.
func (s *socket) recv(b []byte) (n int, fds []int, err error) {
	s.iov.Base = unsafe.SliceData(b)
	s.iov.SetLen(len(b))
	s.msg = unix.Msghdr{Iov: &s.iov, Iovlen: 1, Control: &s.oob[0], Controllen: oobSize}
	// unix.Recvmsg would ask for and decode the sender's address each time.
	r, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.msg)),
		unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	switch {
	case errno == unix.EINTR:
		return s.recv(b)
	case errno != 0:
		return 0, nil, errno
	case s.msg.Controllen > 0:
		fds, err = rights(s.oob[:s.msg.Controllen])
	}
	if s.msg.Flags&unix.MSG_CTRUNC != 0 {
		closeFDs(fds)
		return 0, nil, errors.New("descriptors were lost: too many are open; raise LimitNOFILE= of the service")
	}
	return int(r), fds, err
}

// forget lets go of the bytes of the latest call.
func (s *socket) forget() { s.iov.Base = nil }

func rights(oob []byte) ([]int, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("reading received descriptors: %w", err)
	}
	var fds []int
	for _, m := range messages {
		if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SCM_RIGHTS {
			continue
		}
		got, err := unix.ParseUnixRights(&m)
		if err != nil {
			return nil, fmt.Errorf("reading received descriptors: %w", err)
		}
		fds = append(fds, got...)
	}
	return fds, nil
}

// send sends what fits of b; fds go with its first byte.
func (s *socket) send(b []byte, fds []int) (int, error) {
	s.iov.Base = unsafe.SliceData(b)
	s.iov.SetLen(len(b))
	s.msg = unix.Msghdr{Iov: &s.iov, Iovlen: 1}
	if len(fds) > 0 {
		oob := unix.UnixRights(fds...)
		s.msg.Control = &oob[0]
		s.msg.SetControllen(len(oob))
	}
	n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.msg)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	switch errno {
	case 0:
		return int(n), nil
	case unix.EINTR:
		return s.send(b, fds)
	}
	return 0, errno
}

// endWriting tells the peer that nothing more comes.
func (s *socket) endWriting() error {
	err := unix.Shutdown(s.fd, unix.SHUT_WR)
	if errors.Is(err, unix.ENOTCONN) { // the peer has left
		return nil
	}
	return err
}

func (s *socket) close() { unix.Close(s.fd) }

func closeFDs(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
