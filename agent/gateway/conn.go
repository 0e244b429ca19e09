package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// conn is one client's connection to libvirt. One goroutine moves both of its
// directions, so nothing in it is shared.
type conn struct {
	srv *Server
	log *logrus.Entry

	client, libvirt *socket
	calls           flow // from the client to libvirt
	replies         flow // from libvirt to the client

	// awaited are replies that the gateway has something to do with.
	awaited map[replyKey]awaited
	// kept is the size of the original calls in awaited.
	kept int
	// device is the call that waits for the document of its domain.
	device *deviceCall
	// serial is the client's latest.
	serial uint32

	// unanswered calls and open streams keep the connection open when the server
	// drains.
	unanswered int
	streams    map[uint32]bool

	encrypted bool // and logged
}

const (
	// busyWait is how long a connection waits on a thread of its own before it is
	// parked with the idle ones.
	busyWait = 100 * time.Millisecond
	// maxBusy is how many connections wait that way at once.
	maxBusy = 512
)

func newConn(s *Server, log *logrus.Entry, client, libvirt *socket) *conn {
	c := &conn{
		srv: s, log: log, client: client, libvirt: libvirt,
		awaited: map[replyKey]awaited{},
		streams: map[uint32]bool{},
	}
	c.calls = flow{from: client, to: libvirt, observer: callObserver{c}}
	c.replies = flow{from: libvirt, to: client, observer: replyObserver{c}}
	return c
}

// run moves bytes until both sides have closed, or the context is done and
// nothing is under way. The error is for bytes that are not libvirt's protocol.
func (c *conn) run(ctx context.Context) error {
	defer c.close()
	var clientReady, libvirtReady bool
	var drained time.Time // when draining ends
	for {
		// Replies first: they may let a call go on that was held back.
		if err := c.replies.advance(libvirtReady); err != nil {
			return fmt.Errorf("from libvirt: %w", err)
		}
		c.checkPause()
		if err := c.calls.advance(clientReady); err != nil {
			return fmt.Errorf("from the client: %w", err)
		}
		if c.calls.done() && c.replies.done() {
			return nil
		}
		if ctx.Err() != nil {
			if drained.IsZero() {
				drained = time.Now().Add(c.srv.drainTimeout())
			}
			if c.idle() || time.Now().After(drained) {
				return nil
			}
		}
		fds, err := c.wait(ctx)
		if err != nil {
			return err
		}
		if c.abandoned(fds) {
			return nil
		}
		clientReady = fds[0].Revents&^unix.POLLOUT != 0
		libvirtReady = fds[1].Revents&^unix.POLLOUT != 0
	}
}

// idle reports whether no call waits for its answer and no stream is open.
func (c *conn) idle() bool {
	return c.unanswered <= 0 && len(c.streams) == 0 && !c.calls.blocked() && !c.replies.blocked()
}

// abandoned reports whether one side has closed its socket and all that it sent
// before is delivered: then the other has nobody to talk to.
func (c *conn) abandoned(fds [2]unix.PollFd) bool {
	return fds[0].Revents&unix.POLLHUP != 0 && c.calls.done() ||
		fds[1].Revents&unix.POLLHUP != 0 && c.replies.done()
}

// wait waits until one of the sockets is ready for what the flows want of it.
func (c *conn) wait(ctx context.Context) ([2]unix.PollFd, error) {
	fds := [2]unix.PollFd{
		interest(c.client, &c.calls, &c.replies),
		interest(c.libvirt, &c.replies, &c.calls),
	}
	if n, err := c.poll(fds[:], ctx.Err() != nil); n > 0 || err != nil {
		return fds, err
	}
	if ctx.Err() != nil {
		return fds, nil
	}
	c.calls.release()
	c.replies.release()
	if err := c.srv.parking.wait(ctx, fds[:], c.patience()); err != nil {
		return fds, err
	}
	_, err := poll(fds[:], 0)
	return fds, err
}

// poll waits on a thread of its own, unless too many do.
func (c *conn) poll(fds []unix.PollFd, draining bool) (int, error) {
	if c.srv.busy.Add(1) > maxBusy && !draining {
		c.srv.busy.Add(-1)
		return poll(fds, 0)
	}
	defer c.srv.busy.Add(-1)
	timeout := busyWait
	if d := c.patience(); d > 0 {
		timeout = min(timeout, d)
	}
	return poll(fds, timeout)
}

func poll(fds []unix.PollFd, timeout time.Duration) (int, error) {
	for {
		n, err := unix.Poll(fds, int(timeout.Milliseconds()))
		if err != unix.EINTR {
			return n, err
		}
	}
}

// interest is what the flow from a socket and the flow to it want to know of it.
// A socket of which neither wants anything is left out only where its hang-up,
// which poll(2) always reports, would mean nothing yet.
func interest(s *socket, from, to *flow) unix.PollFd {
	p := unix.PollFd{Fd: int32(s.fd)}
	if from.wantsMore() {
		p.Events |= unix.POLLIN
	}
	if to.blocked() {
		p.Events |= unix.POLLOUT
	}
	if p.Events == 0 && !from.done() {
		p.Fd = -1
	}
	return p
}

func (c *conn) close() {
	c.calls.closeFDs()
	c.replies.closeFDs()
	for _, a := range c.awaited {
		closeFDs(a.original.fds)
	}
	if c.device != nil {
		closeFDs(c.device.fds)
	}
	c.client.close()
	c.libvirt.close()
}
