package gateway

import (
	"bytes"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// replyKey is what tells which call a reply is for.
type replyKey struct {
	proc   rpc.Procedure
	serial uint32
}

// awaited is a reply that is not only passed on.
type awaited struct {
	// own is called with the reply to a call of the gateway's own, which the client
	// must not see, or with the reason why the reply cannot be read.
	own func(rpc.Message, error)
	// keep is what to do for revert once libvirt has carried the call out; nil for
	// nothing.
	keep *keep
	// original is the call before it was rewritten, for sending it again; document
	// is the domain or device in it, and result what was done to that.
	original rpc.Message
	document []byte
	result   domainxml.Result
	// refused is libvirt's answer to the rewritten call, while the original is under
	// way.
	refused *rpc.Refusal
	// unread is why a call went on as it was, with a document that could not be read;
	// domain is the name of the domain that its device is for, if it has one.
	unread error
	domain string
}

// maxKept is how many bytes of original calls may wait for libvirt's opinion on
// their rewritten form before the client has to wait too.
const maxKept = 8 << 20

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
	if !h.Proc.CarriesDomain() && !h.Proc.CarriesDevice() {
		return pass
	}
	if h.Length > rpc.MaxCall {
		o.awaitUnread(h, "", fmt.Errorf("the call has %d bytes", h.Length))
		return pass
	}
	return take
}

func (o callObserver) taken(m rpc.Message) {
	c, err := rpc.ParseCall(m)
	if err != nil {
		o.awaitUnread(m.Header, c.DomainName(), err)
		o.calls.insert(m)
		return
	}
	if m.Proc.CarriesDomain() {
		o.forward(c, func(r domainxml.Rewriter) (domainxml.Result, error) {
			return r.Domain(c.XML, domainxml.Inactive)
		})
		return
	}
	if !needsDomain(c) {
		o.count(m.Proc, resultUnchanged)
		o.calls.insert(m)
		return
	}
	o.lookUp(c)
}

// needsDomain reports whether the policy may have something to do with a device:
// it may have a filter, a boot order, or one in its domain that it does not say.
func needsDomain(c rpc.XMLCall) bool {
	has := func(s string) bool { return bytes.Contains(c.XML, []byte(s)) }
	return has("filterref") || has("<boot") ||
		c.Proc == rpc.ProcDomainUpdateDeviceFlags && (has("<disk") || has("<interface"))
}

// forward sends a call on, rewritten if the policy wants it so.
func (c *conn) forward(call rpc.XMLCall, rewrite func(domainxml.Rewriter) (domainxml.Result, error)) {
	res, err := rewrite(c.srv.Rewriter())
	if err == nil && len(res.Output) > rpc.MaxString {
		err = fmt.Errorf("rewritten it would have %d bytes, where libvirt's limit is %d", len(res.Output), rpc.MaxString)
	}
	if err != nil {
		c.awaitUnread(call.Header, call.DomainName(), err)
		c.calls.insert(call.Message)
		return
	}
	c.count(call.Proc, outcome(res))
	c.sent = append(c.sent, func() { c.report(call.Proc, res) })
	if !res.Changed() {
		c.calls.insert(call.Message)
		return
	}
	key := replyKey{call.Proc, call.Serial}
	k := newKeep(call, res)
	if k != nil {
		c.keeps++
	}
	c.await(key, awaited{original: call.Message, document: call.XML, result: res, keep: k})
	c.calls.insert(call.WithXML(res.Output))
}

// await keeps what is needed to send the original call again.
func (c *conn) await(key replyKey, a awaited) {
	if old, reused := c.awaited[key]; reused {
		closeFDs(old.original.FDs)
		c.kept -= len(old.document)
	}
	if c.srv.RefusalIsFinal != nil && c.srv.RefusalIsFinal() {
		a.original = rpc.Message{Header: a.original.Header}
	}
	fds, err := duplicates(a.original.FDs)
	if err != nil {
		c.log.Warnf("keeping the call's descriptors: %v; it could not be repeated if libvirt refused it", err)
		a.original = rpc.Message{Header: a.original.Header}
	}
	a.original.FDs = fds
	c.kept += len(a.document)
	c.awaited[key] = a
}

// awaitUnread has libvirt's answer to a call looked at whose document could not be
// read: it counts if libvirt could.
func (c *conn) awaitUnread(h rpc.Header, domain string, err error) {
	c.await(replyKey{h.Proc, h.Serial}, awaited{unread: err, domain: domain})
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

// replyObserver sees what libvirt sends.
type replyObserver struct{ *conn }

func (o replyObserver) begin(h rpc.Header) verdict {
	o.noteStream(h)
	if !h.Type.IsReply() {
		return pass
	}
	key := replyKey{h.Proc, h.Serial}
	a, found := o.awaited[key]
	switch {
	case h.Prog == rpc.ProgramRemote && h.Proc == rpc.ProcAuthPolkit && h.Status == rpc.StatusError && h.Length <= rpc.MaxCall:
		return take
	case h.Prog != rpc.ProgramRemote || !found:
		o.unanswered--
		return pass
	case a.own != nil && h.Length <= rpc.MaxCall:
		return take
	case a.own != nil:
		delete(o.awaited, key)
		a.own(rpc.Message{}, fmt.Errorf("its document has %d bytes", h.Length))
		return drop
	case (h.Status == rpc.StatusError || a.keep != nil || a.refused != nil || a.unread != nil) && h.Length <= rpc.MaxCall:
		return take
	}
	o.settle(key)
	o.unanswered--
	return pass
}

func (o replyObserver) taken(m rpc.Message) {
	key := replyKey{m.Proc, m.Serial}
	if m.Proc == rpc.ProcAuthPolkit {
		o.authRefused(m.Refusal())
		o.answer(key, m)
		return
	}
	a := o.awaited[key]
	if a.own != nil {
		delete(o.awaited, key)
		closeFDs(m.FDs)
		a.own(m, nil)
		return
	}
	if m.Status == rpc.StatusOK {
		o.accepted(key, a, m)
		return
	}
	o.rejected(key, a, m)
}

// lost notes that the client and libvirt have agreed on encryption.
func (c *conn) lost() {
	if c.encrypted {
		return
	}
	c.encrypted = true
	c.log.Warn("the client encrypts with SASL: its domains pass unchanged; unix sockets need no SASL (auth_unix_rw in libvirtd.conf)")
}

// checkPause holds the client's calls back while one waits for its domain, too many
// originals are kept, or what was taken from a device is not in the domain's
// metadata yet. That may begin in the midst of a call, which goes on then: what the
// gateway sends has to wait for its end.
func (c *conn) checkPause() {
	if c.device != nil && time.Now().After(c.device.deadline) {
		c.found(nil, errNoAnswer)
	}
	if len(c.keeping) > 0 && time.Now().After(c.keeping[0].deadline) {
		c.endKeep(errNoAnswer)
	}
	c.calls.paused = c.device != nil || c.kept > maxKept || len(c.keeping) > 0 && c.calls.framer.Between()
	c.calls.open = c.keeps > 0 && !c.replies.done()
}

// patience is how long the connection may sleep; 0 is for ever.
func (c *conn) patience() time.Duration {
	var until time.Time
	if c.device != nil {
		until = c.device.deadline
	}
	if len(c.keeping) > 0 && (until.IsZero() || c.keeping[0].deadline.Before(until)) {
		until = c.keeping[0].deadline
	}
	if until.IsZero() {
		return 0
	}
	return max(time.Until(until), time.Millisecond)
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
