package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
)

// conn is one client's connection to libvirt. One goroutine moves both of its
// directions, so nothing in it is shared.
type conn struct {
	srv *Server
	log clientLog
	uid uint32 // the client's

	client, libvirt *socket
	calls           flow // from the client to libvirt
	replies         flow // from libvirt to the client

	// open: libvirt has let the client in. Debian's socket is everybody's, and polkit
	// decides later: until then the gateway does nothing for the client but pass bytes.
	open bool
	// pending are the calls that libvirt has and whose answer matters, with the size
	// of their documents.
	pending      map[callKey]*pendingCall
	pendingBytes int
	held         int // bytes of calls, as the server counts them
	// ownCalls are the gateway's own calls to libvirt, with the client's call that each
	// is for; nil where that has gone on without an answer.
	ownCalls map[callKey]*pendingCall
	// saving are the calls that libvirt has carried out and whose undo records are
	// written, one after the other.
	saving []*pendingCall
	// sent is what to log once the calls have gone to libvirt, which need not wait
	// for the log.
	sent []func()
	// serial is the client's latest.
	serial uint32

	// unanswered calls and open streams keep the connection open when the server
	// drains.
	unanswered int
	streams    map[uint32]bool

	encrypted bool // and logged
	moving    bool // to the next process, as soon as it is movable
	waits     uint // on a thread of its own
}

func newConn(s *Server, log clientLog, uid uint32, client, libvirt *socket) *conn {
	c := &conn{
		srv: s, log: log, uid: uid, client: client, libvirt: libvirt,
		pending:  map[callKey]*pendingCall{},
		ownCalls: map[callKey]*pendingCall{},
		streams:  map[uint32]bool{},
	}
	c.calls = flow{from: client, to: libvirt, observer: callObserver{c}}
	c.replies = flow{from: libvirt, to: client, observer: replyObserver{c}}
	return c
}

// errMoves is the end of a connection in this process only.
var errMoves = errors.New("the next process goes on with the connection")

// run moves bytes until both sides have closed, or the context is done and
// nothing is under way, or the next process can go on. The error is for bytes that are
// not libvirt's protocol, and errMoves.
func (c *conn) run(ctx context.Context) error {
	var clientReady, libvirtReady bool
	var drained time.Time // when draining ends
	for {
		if err := c.advance(clientReady, libvirtReady); err != nil {
			return err
		}
		if c.calls.done() && c.replies.done() {
			return nil
		}
		if ctx.Err() != nil {
			if c.moving = c.srv.restarts(ctx); c.moving && c.movable() {
				return errMoves
			}
			if drained.IsZero() {
				drained = time.Now().Add(c.drainTimeout())
			}
			if c.idle() && !c.moving || time.Now().After(drained) {
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

// openTimeout is how long a restart, and with it all other clients, waits for libvirt to
// let a client in.
const openTimeout = time.Second

func (c *conn) drainTimeout() time.Duration {
	if c.moving && !c.open {
		return min(openTimeout, c.srv.DrainTimeout)
	}
	return c.srv.DrainTimeout
}

// advance moves what can be moved, and receives from who is ready.
func (c *conn) advance(clientReady, libvirtReady bool) error {
	// Replies first: they may let a call go on that was held back.
	if err := c.replies.advance(libvirtReady); err != nil {
		return fmt.Errorf("from libvirt: %w", err)
	}
	c.checkPause()
	err := c.calls.advance(clientReady)
	c.logSent()
	c.countHeld()
	if err != nil {
		return fmt.Errorf("from the client: %w", err)
	}
	return nil
}

func (c *conn) logSent() {
	for _, log := range c.sent {
		log()
	}
	c.sent = nil
}

// countHeld gives back what calls took that have gone on.
func (c *conn) countHeld() {
	if now := c.holds(); now < c.held {
		c.srv.held.give(c.uid, c.held-now)
		c.held = now
	}
}

// holds is how many bytes of calls the connection holds.
func (c *conn) holds() int {
	now := c.pendingBytes
	if c.calls.verdict == take {
		now += c.calls.held.Length // a call that is not whole yet
	}
	for _, p := range c.ownCalls {
		if p != nil {
			now += len(p.call.Bytes)
		}
	}
	for _, p := range c.saving {
		now += len(p.call.Bytes)
	}
	return now
}

// idle reports whether no call waits for its answer and no stream is open.
func (c *conn) idle() bool {
	return c.unanswered <= 0 && len(c.streams) == 0 && !c.calls.blocked() && !c.replies.blocked()
}

// abandoned reports whether one side has closed its socket and all that it sent
// before is delivered: then the other has no peer to talk to.
func (c *conn) abandoned(fds [2]unix.PollFd) bool {
	return fds[0].Revents&unix.POLLHUP != 0 && c.calls.done() ||
		fds[1].Revents&unix.POLLHUP != 0 && c.replies.done()
}

// noteStream keeps track of the streams that are open.
func (c *conn) noteStream(h rpc.Header) {
	switch {
	case !h.Type.IsStream():
	case h.Status == rpc.StatusContinue:
		c.streams[h.Serial] = true
	default:
		delete(c.streams, h.Serial)
	}
}

// lost notes that the client and libvirt have agreed on encryption.
func (c *conn) lost() {
	if c.encrypted {
		return
	}
	c.encrypted = true
	c.log.Warnf("the client encrypts with SASL: its domains pass unchanged; unix sockets need no SASL (auth_unix_rw in libvirtd.conf)")
}

func (c *conn) close() {
	defer func() { c.srv.held.give(c.uid, c.held) }()
	c.calls.closeFDs()
	c.replies.closeFDs()
	for _, p := range slices.Concat(slices.Collect(maps.Values(c.pending)), slices.Collect(maps.Values(c.ownCalls)), c.saving) {
		if p == nil {
			continue
		}
		if p.state == originalSent {
			c.logOutcome(p, originalUnanswered, p.refusal)
		}
		p.closeFDs()
	}
	c.closeSockets()
}

func (c *conn) closeSockets() {
	c.client.close()
	if c.libvirt != nil {
		c.libvirt.close()
	}
}
