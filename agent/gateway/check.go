package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Check reports whether clients are served, without a word to libvirt: it connects
// to each listener, where Serve hangs up on it, and has an idle connection woken.
// The error is what does not happen before ctx ends. It is nil where there is no
// place, or no descriptor, for a further client. Serve must run.
func (s *Server) Check(ctx context.Context) error {
	for _, l := range s.Listeners {
		if err := s.checkListener(ctx, l.Addr().String()); err != nil {
			return fmt.Errorf("connecting to the gateway's own %s: %w", l.Addr(), err)
		}
	}
	return s.parking.check(ctx)
}

func (s *Server) checkListener(ctx context.Context, path string) error {
	if s.full() {
		return nil
	}
	// An abstract address, which leaves no file, and which nobody can take first.
	from := "@virt-netboot-check-" + rand.Text()
	s.checks.Store(from, nil)
	defer s.checks.Delete(from)
	d := net.Dialer{LocalAddr: &net.UnixAddr{Name: from, Net: "unix"}}
	c, err := d.DialContext(ctx, "unix", path)
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	if err := c.SetReadDeadline(deadline); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1))
	if err == io.EOF || errors.Is(err, os.ErrDeadlineExceeded) && s.full() {
		return nil
	}
	return err
}

func (s *Server) full() bool { return len(s.places) == cap(s.places) }
