package gateway

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// socket is a connected unix stream socket. None of its calls wait: they return
// unix.EAGAIN instead, whatever mode the descriptor is in.
type socket struct {
	fd  int
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
	for {
		n, oobn, flags, _, err := unix.Recvmsg(s.fd, b, s.oob[:], unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil || oobn == 0 && flags&unix.MSG_CTRUNC == 0 {
			return max(n, 0), nil, err
		}
		fds, err := rights(s.oob[:oobn])
		if flags&unix.MSG_CTRUNC != 0 {
			closeFDs(fds)
			return 0, nil, errors.New("descriptors were lost: too many are open; raise LimitNOFILE= of the service")
		}
		return n, fds, err
	}
}

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
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	for {
		n, err := unix.SendmsgN(s.fd, b, oob, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
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
