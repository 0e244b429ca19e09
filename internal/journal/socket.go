package journal

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// patience is how long one entry may wait for a socket whose reader is behind.
const patience = 200_000 // µs

// socket is a datagram socket for one destination, opened at the first send. It
// is not connected, so it survives a restart of the daemon at the other end.
type socket struct {
	fd     int
	open   bool
	behind bool // the last send ran out of patience, so the next has none
}

// send sends one datagram to the unix socket of that path.
func (s *socket) send(path string, datagram []byte) error {
	if err := s.ensureOpen(); err != nil {
		return err
	}
	to := &unix.SockaddrUnix{Name: path}
	flags := 0
	if s.behind {
		flags = unix.MSG_DONTWAIT
	}
	err := retry(func() error { return unix.Sendto(s.fd, datagram, flags, to) })
	if errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS) {
		err = s.sendFile(to, datagram, flags)
	}
	s.behind = errors.Is(err, unix.EAGAIN)
	return err
}

func (s *socket) ensureOpen() error {
	if s.open {
		return nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	s.fd, s.open = fd, true
	return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Usec: patience})
}

// sendFile passes what is too large for a datagram as a sealed memory file,
// which the journal accepts (systemd's docs/JOURNAL_NATIVE_PROTOCOL.md) and
// syslog does not.
func (s *socket) sendFile(to unix.Sockaddr, content []byte, flags int) error {
	fd, err := unix.MemfdCreate("journal-entry", unix.MFD_ALLOW_SEALING|unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for rest := content; len(rest) > 0; {
		n, err := unix.Write(fd, rest)
		if err != nil {
			return fmt.Errorf("filling a memory file: %w", err)
		}
		rest = rest[n:]
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("sealing a memory file: %w", err)
	}
	return retry(func() error { return unix.Sendmsg(s.fd, nil, unix.UnixRights(fd), to, flags) })
}

func retry(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
