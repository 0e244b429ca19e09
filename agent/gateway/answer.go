package gateway

import (
	"time"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
)

// accepted gives the client libvirt's answer to a call that libvirt carried out,
// once what was taken from a device is kept.
func (c *conn) accepted(key replyKey, a awaited, reply rpc.Message) {
	switch {
	case a.unread != nil:
		c.unparsed(key.proc, a, reply)
	case a.refused != nil:
		c.refused(key.proc, a)
	}
	if a.keep == nil {
		c.answer(key, reply)
		return
	}
	c.settle(key)
	c.startKeep(a.keep, reply)
}

// rejected gives the client libvirt's refusal of a call, unless the gateway has
// rewritten that: then it goes to libvirt once more, as the client wrote it. Only
// libvirt's answer to that tells whether it was the rewriting that it refused.
func (c *conn) rejected(key replyKey, a awaited, reply rpc.Message) {
	r := reply.Refusal()
	if a.keep != nil {
		c.keeps--
	}
	switch {
	case a.unread != nil:
		c.unparsedRefused(key.proc, a)
	case a.refused != nil:
		c.refusedEitherWay(key.proc, a, r)
	case r.Code == rpc.ErrAccessDenied: // whatever the document says
		c.denied(key.proc, a, r)
	case len(a.original.Bytes) == 0:
		c.refusedForGood(key.proc, a, r)
	default:
		closeFDs(reply.FDs)
		c.sendOriginal(key, a, r)
		return
	}
	c.answer(key, reply)
}

// sendOriginal sends a call as the client wrote it, and awaits the answer to that.
func (c *conn) sendOriginal(key replyKey, a awaited, r *rpc.Refusal) {
	original := a.original
	a.original, a.keep, a.refused = rpc.Message{}, nil, r
	c.awaited[key] = a
	c.srv.resent.add(a.result.Domain.Name, time.Now())
	c.calls.insert(original)
}

// answer gives the client libvirt's last word on a call.
func (c *conn) answer(key replyKey, reply rpc.Message) {
	c.settle(key)
	c.unanswered--
	c.replies.insert(reply)
}

// settle forgets a call that libvirt has answered.
func (c *conn) settle(key replyKey) {
	a := c.awaited[key]
	closeFDs(a.original.FDs)
	c.kept -= len(a.document)
	delete(c.awaited, key)
}
