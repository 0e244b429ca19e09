package gateway

import (
	"errors"
	"fmt"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// ownTimeout is how long libvirt may take over what the gateway asks it about a
// device.
const ownTimeout = 2 * time.Second

var errNoAnswer = errors.New("no answer within " + ownTimeout.String())

// deviceCall is a call that waits for the document of its domain.
type deviceCall struct {
	rpc.XMLCall
	deadline time.Time
}

// lookUp asks libvirt on the client's connection, so with its rights and in its
// driver, for the domain that a device is for: for its definition where the
// device is for that alone.
func (c *conn) lookUp(call rpc.XMLCall) {
	device := &deviceCall{call, time.Now().Add(ownTimeout)}
	c.device = device
	c.calls.paused = true
	c.ask(call.Header, rpc.ProcDomainGetXMLDesc, rpc.GetXMLDesc(call.Domain, places(call.Proc, call.Flags())[0].read), func(m rpc.Message, err error) {
		if c.device != device {
			return // it has waited too long and gone on
		}
		var domain []byte
		if err == nil {
			domain, err = rpc.ParseXMLDesc(m)
		}
		c.found(domain, err)
	})
}

// ask makes a call of the gateway's own, with the version of the client's.
func (c *conn) ask(like rpc.Header, proc rpc.Procedure, args []byte, own func(rpc.Message, error)) {
	key := replyKey{proc, c.serial + 1<<31} // far from the client's serials
	for _, taken := c.awaited[key]; taken; _, taken = c.awaited[key] {
		key.serial++
	}
	c.awaited[key] = awaited{own: own}
	h := rpc.Header{Prog: like.Prog, Vers: like.Vers, Proc: proc, Type: rpc.TypeCall, Serial: key.serial}
	c.calls.insert(rpc.NewMessage(h, args))
}

// refusal is libvirt's error in a reply, nil where it did what was asked.
func refusal(m rpc.Message) error {
	if r := m.Refusal(); r != nil {
		return r
	}
	return nil
}

// found continues the call that waited for its domain's document.
func (c *conn) found(domain []byte, err error) {
	call := c.device.XMLCall
	c.device = nil
	if err != nil {
		c.awaitUnread(call.Header, call.DomainName(), fmt.Errorf("asking libvirt for the domain of the device: %w", err))
		c.calls.insert(call.Message)
		return
	}
	c.forward(call, func(r domainxml.Rewriter) (domainxml.Result, error) {
		return r.Device(call.XML, domain)
	})
}
