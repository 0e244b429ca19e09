package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Check reports whether clients are served, without a word to libvirt: it connects
// to each listener, where Serve hangs up on it, and has an idle connection woken.
// The error is what does not happen before ctx ends, and a restart may fix. It is
// nil where there is no slot, or no descriptor, for a further client. Serve must
// run, and one Check at a time.
func (s *Server) Check(ctx context.Context) error {
	var g errgroup.Group
	for _, l := range s.Listeners {
		g.Go(func() error { return s.checkListener(ctx, l) })
	}
	g.Go(func() error { return s.idle.check(ctx) })
	return g.Wait()
}

// checkListener logs, once, where the path of a socket from systemd leads elsewhere,
// as it does after virtproxyd.socket was started on libvirtd's: a restart of the agent
// gets it the same socket again, and its clients on others would lose theirs.
func (s *Server) checkListener(ctx context.Context, l *Listener) error {
	path := l.Addr().String()
	err := s.reach(ctx, path)
	switch {
	case err == nil:
		l.displaced = false
	case l.own || l.hasClient():
		return fmt.Errorf("connecting to the gateway's own %s: %w", path, err)
	case !l.displaced:
		l.displaced = true
		s.Log.Errorf("%s is not the gateway's any more, so its clients bypass it (%v); to fix that, run virt-netboot disable, and then enable", path, err)
	}
	return nil
}

// reach connects to the path, and returns once it is hung up on.
func (s *Server) reach(ctx context.Context, path string) error {
	if s.full() {
		return nil
	}
	// An abstract address, which leaves no file, and which no other process can take first.
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

func (s *Server) full() bool { return len(s.slots) == cap(s.slots) }
