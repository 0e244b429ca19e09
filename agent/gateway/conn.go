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
	// kept is the size of the documents in awaited.
	kept int
	// sent is what to log once the calls have gone to libvirt, which need not wait
	// for the log.
	sent []func()
	// device is the call that waits for the document of its domain.
	device *deviceCall
	// keeping is what was taken from devices that libvirt has by now, and goes into
	// the metadata of their domains, one after the other. keeps counts those too of
	// which libvirt has not said yet that it has them.
	keeping []*keep
	keeps   int
	// serial is the client's latest.
	serial uint32

	// unanswered calls and open streams keep the connection open when the server
	// drains.
	unanswered int
	streams    map[uint32]bool

	encrypted bool // and logged
	waits     uint // on a thread of its own
}

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
		err := c.calls.advance(clientReady)
		c.logSent()
		if err != nil {
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

func (c *conn) logSent() {
	for _, log := range c.sent {
		log()
	}
	c.sent = nil
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

func (c *conn) close() {
	c.calls.closeFDs()
	c.replies.closeFDs()
	for key, a := range c.awaited {
		closeFDs(a.original.FDs)
		if a.refused != nil {
			c.refusedUnanswered(key.proc, a)
		}
	}
	if c.device != nil {
		closeFDs(c.device.FDs)
	}
	for _, k := range c.keeping {
		closeFDs(k.reply.FDs)
	}
	c.client.close()
	c.libvirt.close()
}
