package gateway

import (
	"errors"
	"fmt"
	"time"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// ownTimeout is how long libvirt may take over what the gateway asks it about a
// device.
const ownTimeout = 2 * time.Second

var errNoAnswer = errors.New("no answer within " + ownTimeout.String())

// deviceCall is a call that waits for the document of its domain.
type deviceCall struct {
	xmlCall
	deadline time.Time
}

// lookUp asks libvirt on the client's connection, so with its rights and in its
// driver, for the domain that a device is for: for its definition where the
// device is for that alone.
func (c *conn) lookUp(call xmlCall) {
	device := &deviceCall{call, time.Now().Add(ownTimeout)}
	c.device = device
	c.calls.paused = true
	c.ask(call.head, ProcDomainGetXMLDesc, getXMLDesc(call.domain, places(call.head.proc, call.flags())[0].read), func(m message, err error) {
		if c.device != device {
			return // it has waited too long and gone on
		}
		var domain []byte
		if err == nil {
			domain, err = parseXMLDesc(m)
		}
		c.found(domain, err)
	})
}

// ask makes a call of the gateway's own, with the version of the client's.
func (c *conn) ask(like header, proc Procedure, args []byte, own func(message, error)) {
	key := replyKey{proc, c.serial + 1<<31} // far from the client's serials
	for _, taken := c.awaited[key]; taken; _, taken = c.awaited[key] {
		key.serial++
	}
	c.awaited[key] = awaited{own: own}
	h := header{
		length: headerSize + len(args),
		prog:   like.prog, vers: like.vers, proc: proc,
		typ: typeCall, serial: key.serial, status: statusOK,
	}
	c.calls.insert(message{head: h, bytes: append(h.append(make([]byte, 0, h.length)), args...)})
}

// found continues the call that waited for its domain's document.
func (c *conn) found(domain []byte, err error) {
	call := c.device.xmlCall
	c.device = nil
	if err != nil {
		c.awaitUnread(call.head, domainName(call.domain), fmt.Errorf("asking libvirt for the domain of the device: %w", err))
		c.calls.insert(call.message)
		return
	}
	c.forward(call, func(r domainxml.Rewriter) (domainxml.Result, error) {
		return r.Device(call.xml, domain)
	})
}
