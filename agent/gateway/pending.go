package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// pendingCall is a client's call with the XML of a domain or device, from when the
// gateway has something to do with it until the client gets libvirt's answer:
//
//	lookingUpDomain   a device alone; the gateway asks libvirt for its domain
//	  |
//	  +-> unreadable --------------- taken, refused ---------------> answer
//	  |
//	  +-> rewritten -+-------------- taken, denied, refusedFinally -> answer
//	                 |
//	                 +- refused ---> originalSent -- taken, refused -> answer
//	                 |
//	                 +- taken -----> savingUndo, where a device lost something -> answer
//
// A call that the policy leaves as it is is not pending: its answer passes. But where it
// changes the devices of a definition, it is unchanged -> answer, so that the definition is
// in sync before the client has the answer: see finish.
type pendingCall struct {
	state callState
	key   callKey
	// call is as the client wrote it, with duplicates of its descriptors; it has
	// nothing where it is unreadable.
	call rpc.XMLCall
	// domain is the name of the call's domain, "" where it is unknown.
	domain string
	// unreadable is why the call could not be read, and remedy what to do about it.
	unreadable, remedy string
	// result is what the policy did to the document.
	result domainxml.Result
	// final: the client gets libvirt's refusal of the rewritten call.
	final bool
	// refusal is libvirt's answer to the rewritten call, once the original is sent.
	refusal *rpc.Refusal
	// undo are the documents that get an undo record for what the device lost, once
	// libvirt has it. The client's reply waits for that.
	undo  []document
	reply rpc.Message
	// deadline is when the gateway's own calls for this one have to be answered.
	deadline time.Time
}

func unreadableCall(key callKey, domain string, why error) *pendingCall {
	return &pendingCall{state: unreadable, key: key, domain: domain, unreadable: why.Error(), remedy: remedy(why)}
}

// callState is how far a call has come.
type callState int

const (
	lookingUpDomain callState = iota // the gateway asks libvirt for the domain of its device
	unreadable                       // libvirt has it as the client wrote it, as the gateway could not read it
	rewritten                        // libvirt has it as rewritten
	originalSent                     // libvirt refused that, and has it as the client wrote it
	savingUndo                       // libvirt has carried it out, and the gateway saves what revert needs
	unchanged                        // libvirt has it as the client wrote it, which is as the policy wants it
)

// outcome is what libvirt's answer says of a call.
type outcome int

const (
	taken              outcome = iota // as rewritten
	refused                           // as rewritten; the original is to be sent
	refusedFinally                    // as rewritten; the original is not sent
	denied                            // whatever the document says
	originalTaken                     // only as the client wrote it
	originalRefused                   // both ways: the rewriting had nothing to do with it
	originalUnanswered                // the connection ended before
	unreadableTaken
	unreadableRefused
	unchangedAnswered
)

// outcome decides what follows from libvirt's answer, which is a refusal or nil.
func (p *pendingCall) outcome(r *rpc.Refusal) outcome {
	switch {
	case p.state == unchanged:
		return unchangedAnswered
	case p.state == unreadable && r == nil:
		return unreadableTaken
	case p.state == unreadable:
		return unreadableRefused
	case p.state == originalSent && r == nil:
		return originalTaken
	case p.state == originalSent:
		return originalRefused
	case r == nil:
		return taken
	case r.Code == rpc.ErrAccessDenied:
		return denied
	case p.final:
		return refusedFinally
	}
	return refused
}

// closeFDs closes the descriptors that the call still has.
func (p *pendingCall) closeFDs() {
	closeFDs(p.call.FDs)
	closeFDs(p.reply.FDs)
	p.call.FDs, p.reply.FDs = nil, nil
}

// callKey is what tells which call a reply is for.
type callKey struct {
	Proc   rpc.Procedure
	Serial uint32
}

func keyOf(h rpc.Header) callKey { return callKey{h.Proc, h.Serial} }

// maxPending is how many bytes of documents may wait for libvirt's answer to their
// rewritten form before the client has to wait too.
const maxPending = 8 << 20

// callObserver sees what the client sends.
type callObserver struct{ *conn }

func (o callObserver) begin(h rpc.Header) verdict {
	o.noteStream(h)
	if !h.Type.IsCall() {
		return pass
	}
	o.unanswered++
	o.serial = h.Serial
	if h.Prog != rpc.ProgramRemote {
		return pass
	}
	if h.Proc == rpc.ProcAuthSASLInit {
		o.calls.framer.SASL, o.replies.framer.SASL = true, true
	}
	if !o.open || !h.Proc.CarriesDomain() && !h.Proc.CarriesDevice() && !h.Proc.DetachesDevice() {
		return pass
	}
	err := o.hold(h)
	if err == nil {
		return take
	}
	if !h.Proc.DetachesDevice() {
		o.await(unreadableCall(keyOf(h), "", err))
	}
	return pass
}

// hold makes room for a call; the error says why there is none.
func (c *conn) hold(h rpc.Header) error {
	if h.Length > rpc.MaxCall {
		return fmt.Errorf("the call has %d bytes", h.Length)
	}
	if !c.srv.held.take(c.uid, h.Length) {
		return errors.New("the gateway holds too many calls already")
	}
	c.held += h.Length
	return nil
}

func (o callObserver) taken(m rpc.Message) {
	call, err := rpc.ParseCall(m)
	switch {
	case m.Proc.DetachesDevice() && err != nil:
		o.calls.insert(m)
	case m.Proc.DetachesDevice():
		o.sendUnchanged(call)
	case err != nil:
		o.sendUnreadable(call, err)
	case m.Proc.CarriesDomain():
		res, err := o.rewriter().Domain(call.XML, domainxml.Inactive)
		o.send(call, res, err)
	case !needsDomain(call):
		o.count(m.Proc, resultUnchanged)
		o.sendUnchanged(call)
	default:
		o.lookUpDomain(call)
	}
}

// needsDomain reports whether the policy may have something to do with a device:
// it may have a filter, a boot order, or one in its domain that it does not say.
func needsDomain(c rpc.XMLCall) bool {
	has := func(s string) bool { return bytes.Contains(c.XML, []byte(s)) }
	return has("<interface") || has("<boot") || c.Proc == rpc.ProcDomainUpdateDeviceFlags && has("<disk")
}

// lookUpDomain asks for the domain that a device is for: for its definition where
// the device is for that alone.
func (c *conn) lookUpDomain(call rpc.XMLCall) {
	p := &pendingCall{state: lookingUpDomain, key: keyOf(call.Header), call: call, deadline: time.Now().Add(ownTimeout)}
	c.calls.paused = true
	c.ask(p, rpc.ProcDomainGetXMLDesc, rpc.GetXMLDesc(call.Domain, documents(call.Proc, call.Flags())[0].read))
}

func (c *conn) domainFound(p *pendingCall, domain []byte, err error) {
	if err != nil {
		c.sendUnreadable(p.call, fmt.Errorf("asking libvirt for the domain of the device: %w", err))
		return
	}
	res, err := c.rewriter().Device(p.call.XML, domain)
	c.send(p.call, res, err)
}

// send sends a call on, rewritten if the policy wants it so.
func (c *conn) send(call rpc.XMLCall, res domainxml.Result, err error) {
	if err == nil && len(res.Output) > rpc.MaxString {
		err = fmt.Errorf("rewritten it would have %d bytes, where libvirt's limit is %d", len(res.Output), rpc.MaxString)
	}
	if err != nil {
		c.sendUnreadable(call, err)
		return
	}
	c.count(call.Proc, policyResult(res))
	c.sent = append(c.sent, func() { c.logPolicy(call.Proc, res) })
	if !res.Changed() {
		c.sendUnchanged(call)
		return
	}
	p := &pendingCall{state: rewritten, key: keyOf(call.Header), call: call, domain: res.Domain.Name, result: res, undo: undoDocuments(call, res)}
	p.final = c.srv.RefusalIsFinal != nil && c.srv.RefusalIsFinal()
	if p.call.FDs, err = duplicates(call.FDs); err != nil {
		c.log.Warnf("duplicating the call's descriptors: %v; it cannot be sent as the client wrote it if libvirt refuses it", err)
		p.final = true
	}
	c.await(p)
	c.calls.insert(call.WithXML(res.Output))
}

// sendUnchanged sends a call on that the policy leaves as it is.
func (c *conn) sendUnchanged(call rpc.XMLCall) {
	c.calls.insert(call.Message)
	if changesDefinition(call) {
		call.FDs = nil // they went with it
		c.await(&pendingCall{state: unchanged, key: keyOf(call.Header), call: call})
	}
}

// sendUnreadable sends a call on as the client wrote it. It counts if libvirt could
// read it.
func (c *conn) sendUnreadable(call rpc.XMLCall, err error) {
	c.calls.insert(call.Message)
	c.await(unreadableCall(keyOf(call.Header), call.DomainName(), err))
}

func duplicates(fds []int) ([]int, error) {
	var dups []int
	for _, fd := range fds {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			closeFDs(dups)
			return nil, err
		}
		dups = append(dups, dup)
	}
	return dups, nil
}

// await has libvirt's answer to a call looked at.
func (c *conn) await(p *pendingCall) {
	if old, reused := c.pending[p.key]; reused {
		c.forget(old)
	}
	c.pending[p.key] = p
	c.pendingBytes += len(p.call.XML)
}

// forget ends the wait for libvirt's answer.
func (c *conn) forget(p *pendingCall) {
	p.closeFDs()
	c.pendingBytes -= len(p.call.XML)
	delete(c.pending, p.key)
}

// replyObserver sees what libvirt sends.
type replyObserver struct{ *conn }

func (o replyObserver) begin(h rpc.Header) verdict {
	o.noteStream(h)
	if !h.Type.IsReply() {
		return pass
	}
	if h.Prog == rpc.ProgramRemote && h.Proc == rpc.ProcConnectOpen && h.Status == rpc.StatusOK {
		o.open = true
	}
	key, short := keyOf(h), h.Length <= rpc.MaxCall
	p, pending := o.pending[key]
	_, own := o.ownCalls[key]
	polkit := h.Proc == rpc.ProcAuthPolkit && h.Status == rpc.StatusError
	switch {
	case h.Prog == rpc.ProgramRemote && (pending || own || polkit) && short:
		return take
	case h.Prog == rpc.ProgramRemote && own:
		o.ownAnswered(key, rpc.Message{}, fmt.Errorf("its document has %d bytes", h.Length))
		return drop
	case h.Prog == rpc.ProgramRemote && pending:
		o.forget(p)
	}
	o.unanswered--
	return pass
}

func (o replyObserver) taken(m rpc.Message) {
	key := keyOf(m.Header)
	if _, own := o.ownCalls[key]; own {
		closeFDs(m.FDs)
		o.ownAnswered(key, m, nil)
		return
	}
	if p, found := o.pending[key]; found {
		o.answered(p, m)
		return
	}
	o.logAuth(m.Refusal())
	o.answer(m)
}

// answered gives the client libvirt's answer to a call, unless libvirt has refused
// what the gateway has rewritten: then the call goes to libvirt once more, as the
// client wrote it. Only libvirt's answer to that tells whether it was the rewriting
// that it refused.
func (c *conn) answered(p *pendingCall, reply rpc.Message) {
	r := reply.Refusal()
	o := p.outcome(r)
	if o == unreadableTaken && p.key.Proc.CarriesDomain() {
		p.domain = rpc.ParseDomainName(reply)
	}
	c.logOutcome(p, o, r)
	switch {
	case o == refused:
		closeFDs(reply.FDs)
		c.sendOriginal(p, r)
	case o == taken && len(p.undo) > 0:
		c.forget(p)
		c.saveUndo(p, reply)
	default:
		c.forget(p)
		c.finish(p, reply)
	}
}

// sendOriginal sends a call as the client wrote it.
func (c *conn) sendOriginal(p *pendingCall, r *rpc.Refusal) {
	c.srv.noteOriginal(p.domain)
	c.calls.insert(p.call.Message)
	p.state, p.refusal, p.undo, p.call.FDs = originalSent, r, nil, nil
}

// answer gives the client libvirt's last word on a call.
func (c *conn) answer(reply rpc.Message) {
	c.unanswered--
	c.replies.insert(reply)
}

// originalFor is how long after the original was sent libvirt may run the hook for its
// domain.
const originalFor = time.Minute

func (s *Server) noteOriginal(domain string) {
	latest := new(byte)
	s.originals.Store(domain, latest)
	time.AfterFunc(originalFor, func() { s.originals.CompareAndDelete(domain, latest) })
}

// OriginalSent reports whether a domain of that name went to libvirt as its client wrote
// it, within the last minute, because libvirt refused it as rewritten: if the hook
// finds it unprepared, it has not bypassed the gateway.
func (s *Server) OriginalSent(domain string) bool {
	_, sent := s.originals.Load(domain)
	return sent
}
