package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// clientFields are the log fields of a client.
func clientFields(p peer) logrus.Fields {
	return logrus.Fields{"UID": p.UID, "GID": p.GID, "PID": p.pid}
}

func callFields(proc Procedure, res domainxml.Result) logrus.Fields {
	f := logrus.Fields{"PROCEDURE": proc.String(), "DOMAIN": res.Domain.Name, "UUID": res.Domain.UUID}
	if res.Rule != nil {
		f["RULE"] = res.Rule.Name
	}
	if len(res.Changes) > 0 {
		f["CHANGE"] = changes(res)
	}
	return f
}

func changes(res domainxml.Result) string {
	var s []string
	for _, c := range res.Changes {
		s = append(s, c.String())
	}
	return strings.Join(s, "; ")
}

// outcome is what the policy made of a call, as a metric's label.
func outcome(res domainxml.Result) string {
	switch {
	case res.Changed():
		return resultRewritten
	case len(res.Changes) > 0:
		return resultObserved
	}
	return resultUnchanged
}

// report logs what the policy made of a call.
func (c *conn) report(proc Procedure, res domainxml.Result) {
	log := c.log.WithFields(callFields(proc, res))
	for _, w := range res.Warnings {
		log.WithField("WARNING", string(w.Kind)).Warnf("domain %s %s", res.Domain.Name, w)
	}
	switch outcome(res) {
	case resultRewritten:
		log.Infof("domain %s rewritten on its way to libvirt: %s", res.Domain.Name, changes(res))
	case resultObserved:
		log.Infof("domain %s goes on unchanged (mode: observe); it would be rewritten: %s", res.Domain.Name, changes(res))
	}
}

// unparsed logs and counts a call that libvirt carried out as it was, because it
// could not be read here.
func (c *conn) unparsed(proc Procedure, a awaited, reply message) {
	c.count(proc, resultUnparsed)
	remedy := "the rules reach the domain only now that libvirt has it, for its next start"
	if errors.As(a.unread, new(*domainxml.SyntaxError)) {
		remedy = "mend that where the document is made; until then " + remedy
	}
	if proc.carriesDomain() { // the reply is a remote_nonnull_domain
		a.domain = domainName(reply.bytes[headerSize:])
	}
	c.unparsedLog(proc, a).Errorf("%s of domain %s passed on unchanged, and libvirt took it: %v; %s", proc, a.domain, a.unread, remedy)
}

// unparsedRefused logs a call that nobody could read. libvirt's message may quote a
// document whose secrets nobody knows.
func (c *conn) unparsedRefused(proc Procedure, a awaited) {
	c.unparsedLog(proc, a).Infof("%s passed on unchanged, and libvirt refused it too: %v", proc, a.unread)
}

func (c *conn) unparsedLog(proc Procedure, a awaited) *logrus.Entry {
	return c.log.WithFields(logrus.Fields{"PROCEDURE": proc.String(), "DOMAIN": cmp.Or(a.domain, "unknown")})
}

// denied logs that the client may not do what it asked for.
func (c *conn) denied(proc Procedure, a awaited, r refusal) {
	c.log.WithFields(callFields(proc, a.result)).
		Infof("libvirt does not let this client do %s with domain %s: %v", proc, a.result.Domain.Name, a.redacted(r))
}

// authRefused logs what a client cannot know whom polkit wants a password of: polkit
// looks for whom to ask at the process that has connected to libvirt, this one.
func (c *conn) authRefused(r refusal) {
	if r.code == errAuthUnavailable {
		c.log.Warnf("polkit would let this client in with a password, for which it can ask nobody through the gateway: "+
			"let the client's user in by a rule or a group, or have it use libvirt's own socket %s", c.srv.upstream())
	}
}

// refused logs and counts that libvirt took a call only as the client wrote it.
func (c *conn) refused(proc Procedure, a awaited) {
	c.count(proc, resultRefused)
	c.log.WithFields(callFields(proc, a.result)).WithField("DIFF", refusedDiff(a)).
		Warnf("libvirt refused domain %s as rewritten (%s) and took it as the client wrote it: %s",
			a.result.Domain.Name, changes(a.result), a.redacted(*a.refused))
}

// refusedForGood logs and counts a refusal that may have been the rewriting's.
func (c *conn) refusedForGood(proc Procedure, a awaited, r refusal) {
	c.count(proc, resultRefused)
	c.log.WithFields(callFields(proc, a.result)).WithField("DIFF", refusedDiff(a)).
		Warnf("libvirt refused domain %s as rewritten (%s), and the client gets the refusal; whether libvirt takes it as the client wrote it was not tried: %s",
			a.result.Domain.Name, changes(a.result), a.redacted(r))
}

// refusedEitherWay logs that the rewriting had nothing to do with libvirt's refusal.
func (c *conn) refusedEitherWay(proc Procedure, a awaited, r refusal) {
	text := a.redacted(r)
	if as := a.redacted(*a.refused); as != text {
		text = fmt.Sprintf("%s; as rewritten: %s", text, as)
	}
	c.log.WithFields(callFields(proc, a.result)).
		Infof("libvirt refused domain %s as the client wrote it, too: %s", a.result.Domain.Name, text)
}

// refusedUnanswered logs a connection that ended before it was known whether the
// rewriting had to do with libvirt's refusal.
func (c *conn) refusedUnanswered(proc Procedure, a awaited) {
	c.log.WithFields(callFields(proc, a.result)).
		Warnf("libvirt refused domain %s as rewritten (%s), and the connection ended before it answered to it as the client wrote it: %s",
			a.result.Domain.Name, changes(a.result), a.redacted(*a.refused))
}

// redacted is libvirt's message without the secrets of the document before and after.
func (a awaited) redacted(r refusal) string {
	return domainxml.RedactMessage(r.text, a.document, a.result.Output)
}

// refusedDiff is what libvirt did not take, with the secrets of both documents
// hidden.
func refusedDiff(a awaited) string {
	before, err := domainxml.Redact(a.document)
	if err != nil {
		return "not shown: " + err.Error()
	}
	after, err := domainxml.Redact(a.result.Output)
	if err != nil {
		return "not shown: " + err.Error()
	}
	return string(diff.Diff("as the client wrote it", before, "as rewritten", after))
}

func (c *conn) count(proc Procedure, result string) {
	c.srv.Metrics.calls.WithLabelValues(proc.String(), result).Inc()
}
