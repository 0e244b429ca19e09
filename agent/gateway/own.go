package gateway

import (
	"errors"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
)

// ownTimeout is how long libvirt may take over what the gateway asks it about a
// device.
const ownTimeout = 2 * time.Second

var errNoAnswer = errors.New("no answer within " + ownTimeout.String())

// ask makes a call of the gateway's own for one of the client's. It goes to libvirt on
// the client's connection, so with its rights and to its driver.
func (c *conn) ask(p *pendingCall, proc rpc.Procedure, args []byte) {
	key := callKey{proc, c.serial + 1<<31} // far from the client's serials
	for _, used := c.ownCalls[key]; used; _, used = c.ownCalls[key] {
		key.Serial++
	}
	c.ownCalls[key] = p
	h := rpc.Header{Prog: p.call.Prog, Vers: p.call.Vers, Proc: proc, Type: rpc.TypeCall, Serial: key.Serial}
	c.calls.insert(rpc.NewMessage(h, args))
}

// ownAnswered continues the client's call for which the gateway has asked. err is why
// the answer cannot be read.
func (c *conn) ownAnswered(key callKey, m rpc.Message, err error) {
	p := c.ownCalls[key]
	delete(c.ownCalls, key)
	if p != nil {
		c.continueCall(p, key.Proc, m, err)
	}
}

func (c *conn) continueCall(p *pendingCall, proc rpc.Procedure, m rpc.Message, err error) {
	var domain []byte
	switch r := m.Refusal(); {
	case err != nil:
	case r != nil:
		err = r
	case proc == rpc.ProcDomainGetXMLDesc:
		domain, err = rpc.ParseXMLDesc(m)
	}
	switch {
	case p.state == lookingUpDomain:
		c.domainFound(p, domain, err)
	case proc == rpc.ProcDomainGetXMLDesc:
		c.writeUndo(p, domain, err)
	default:
		c.undoWritten(p, err)
	}
}

// endOverdue goes on without the answers that libvirt owes for too long. If they come
// still, the client must not see them.
func (c *conn) endOverdue() {
	for key, p := range c.ownCalls {
		if p != nil && time.Now().After(p.deadline) {
			c.ownCalls[key] = nil
			c.continueCall(p, key.Proc, rpc.Message{}, errNoAnswer)
		}
	}
}

// patience is how long the gateway still waits for answers to calls of its own; 0 means
// that it waits for none.
func (c *conn) patience() time.Duration {
	var first time.Time
	for _, p := range c.ownCalls {
		if p != nil && (first.IsZero() || p.deadline.Before(first)) {
			first = p.deadline
		}
	}
	if first.IsZero() {
		return 0
	}
	return max(time.Until(first), time.Millisecond)
}

// pausesToMove reports whether the client's next call is the next process's. One whose
// descriptors are here already has to go on first.
func (c *conn) pausesToMove() bool { return c.moving && c.open && len(c.calls.fds) == 0 }

// checkPause holds the client's calls back while too many wait for libvirt's answer,
// or one waits for an answer to the gateway, or the next process is to go on. The latter
// two may begin in the middle of a call, which goes on then: what the gateway sends has to
// wait for its end.
func (c *conn) checkPause() {
	c.endOverdue()
	c.calls.paused = c.pendingBytes > maxPending || (c.patience() > 0 || c.pausesToMove()) && c.calls.framer.Between()
	c.calls.open = c.owesUndo() && !c.replies.done()
}
