package gateway

import (
	"bytes"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// replyKey is what tells which call a reply is for.
type replyKey struct {
	proc   Procedure
	serial uint32
}

// awaited is a reply that is not only passed on.
type awaited struct {
	// own is called with the reply to a call of the gateway's own, which the client
	// must not see, or with the reason why the reply cannot be read.
	own func(message, error)
	// keep is what to do for revert once libvirt has carried the call out; nil for
	// nothing.
	keep *keep
	// original is the call before it was rewritten, for sending it again; document
	// is the domain or device in it, and result what was done to that.
	original message
	document []byte
	result   domainxml.Result
	// refused is libvirt's answer to the rewritten call, while the original is under
	// way.
	refused *refusal
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

func (o callObserver) begin(h header) verdict {
	o.noteStream(h)
	if !h.typ.isCall() {
		return pass
	}
	o.unanswered++
	o.serial = h.serial
	if h.prog != ProgramRemote {
		return pass
	}
	if h.proc == ProcAuthSASLInit {
		o.calls.framer.sasl, o.replies.framer.sasl = true, true
	}
	if !h.proc.carriesDomain() && !h.proc.carriesDevice() {
		return pass
	}
	if h.length > maxCall {
		o.awaitUnread(h, "", fmt.Errorf("the call has %d bytes", h.length))
		return pass
	}
	return take
}

func (o callObserver) taken(m message) {
	c, err := parseCall(m)
	if err != nil {
		o.awaitUnread(m.head, domainName(c.domain), err)
		o.calls.insert(m)
		return
	}
	if m.head.proc.carriesDomain() {
		o.forward(c, func(r domainxml.Rewriter) (domainxml.Result, error) {
			return r.Domain(c.xml, domainxml.Inactive)
		})
		return
	}
	if !needsDomain(c) {
		o.count(m.head.proc, resultUnchanged)
		o.calls.insert(m)
		return
	}
	o.lookUp(c)
}

// needsDomain reports whether the policy may have something to do with a device:
// it may have a filter, a boot order, or one in its domain that it does not say.
func needsDomain(c xmlCall) bool {
	has := func(s string) bool { return bytes.Contains(c.xml, []byte(s)) }
	return has("filterref") || has("<boot") ||
		c.head.proc == ProcDomainUpdateDeviceFlags && (has("<disk") || has("<interface"))
}

// forward sends a call on, rewritten if the policy wants it so.
func (c *conn) forward(call xmlCall, rewrite func(domainxml.Rewriter) (domainxml.Result, error)) {
	res, err := rewrite(c.srv.Rewriter())
	if err == nil && len(res.Output) > maxString {
		err = fmt.Errorf("rewritten it would have %d bytes, where libvirt's limit is %d", len(res.Output), maxString)
	}
	if err != nil {
		c.awaitUnread(call.head, domainName(call.domain), err)
		c.calls.insert(call.message)
		return
	}
	c.count(call.head.proc, outcome(res))
	c.sent = append(c.sent, func() { c.report(call.head.proc, res) })
	if !res.Changed() {
		c.calls.insert(call.message)
		return
	}
	key := replyKey{call.head.proc, call.head.serial}
	k := newKeep(call, res)
	if k != nil {
		c.keeps++
	}
	c.await(key, awaited{original: call.message, document: call.xml, result: res, keep: k})
	c.calls.insert(call.withXML(res.Output))
}

// await keeps what is needed to send the original call again.
func (c *conn) await(key replyKey, a awaited) {
	if old, reused := c.awaited[key]; reused {
		closeFDs(old.original.fds)
		c.kept -= len(old.document)
	}
	if c.srv.RefusalIsFinal != nil && c.srv.RefusalIsFinal() {
		a.original = message{head: a.original.head}
	}
	fds, err := duplicates(a.original.fds)
	if err != nil {
		c.log.Warnf("keeping the call's descriptors: %v; it could not be repeated if libvirt refused it", err)
		a.original = message{head: a.original.head}
	}
	a.original.fds = fds
	c.kept += len(a.document)
	c.awaited[key] = a
}

// awaitUnread has libvirt's answer to a call looked at whose document could not be
// read: it counts if libvirt could.
func (c *conn) awaitUnread(h header, domain string, err error) {
	c.await(replyKey{h.proc, h.serial}, awaited{unread: err, domain: domain})
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

func (o replyObserver) begin(h header) verdict {
	o.noteStream(h)
	if !h.typ.isReply() {
		return pass
	}
	key := replyKey{h.proc, h.serial}
	a, found := o.awaited[key]
	switch {
	case h.prog == ProgramRemote && h.proc == ProcAuthPolkit && h.status == statusError && h.length <= maxCall:
		return take
	case h.prog != ProgramRemote || !found:
		o.unanswered--
		return pass
	case a.own != nil && h.length <= maxCall:
		return take
	case a.own != nil:
		delete(o.awaited, key)
		a.own(message{}, fmt.Errorf("its document has %d bytes", h.length))
		return drop
	case (h.status == statusError || a.keep != nil || a.refused != nil || a.unread != nil) && h.length <= maxCall:
		return take
	}
	o.settle(key)
	o.unanswered--
	return pass
}

func (o replyObserver) taken(m message) {
	key := replyKey{m.head.proc, m.head.serial}
	if m.head.proc == ProcAuthPolkit {
		o.authRefused(parseError(m))
		o.answer(key, m)
		return
	}
	a := o.awaited[key]
	if a.own != nil {
		delete(o.awaited, key)
		closeFDs(m.fds)
		a.own(m, nil)
		return
	}
	if m.head.status == statusOK {
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
	c.calls.paused = c.device != nil || c.kept > maxKept || len(c.keeping) > 0 && c.calls.framer.between()
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
func (c *conn) noteStream(h header) {
	switch {
	case !h.typ.isStream():
	case h.status == statusContinue:
		c.streams[h.serial] = true
	default:
		delete(c.streams, h.serial)
	}
}
