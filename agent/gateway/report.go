package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// clientFields are the log fields of a client.
func clientFields(p peer) logrus.Fields {
	return logrus.Fields{"UID": p.UID, "GID": p.GID, "PID": p.pid}
}

func callFields(proc rpc.Procedure, res domainxml.Result) logrus.Fields {
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

// policyResult is what the policy made of a call, as a metric's label.
func policyResult(res domainxml.Result) string {
	switch {
	case res.Changed():
		return resultRewritten
	case len(res.Changes) > 0:
		return resultObserved
	}
	return resultUnchanged
}

// logPolicy logs what the policy made of a call. Its warnings are the hook's to log, once
// at each start.
func (c *conn) logPolicy(proc rpc.Procedure, res domainxml.Result) {
	log := c.log.WithFields(callFields(proc, res))
	switch policyResult(res) {
	case resultRewritten:
		log.Infof("domain %s rewritten on its way to libvirt: %s", res.Domain.Name, changes(res))
	case resultObserved:
		log.Infof("domain %s goes on unchanged (mode: observe); it would be rewritten: %s", res.Domain.Name, changes(res))
	}
}

// logOutcome logs and counts what became of a call, but for what logPolicy has said and
// what is not decided yet. r is libvirt's latest refusal. That of a call which could not
// be read is left out: it may quote a document of whose secrets nothing is known.
func (c *conn) logOutcome(p *pendingCall, o outcome, r *rpc.Refusal) {
	proc, domain := p.key.Proc, cmp.Or(p.domain, "unknown")
	log := c.log.WithFields(p.fields())
	asRewritten := fmt.Sprintf("libvirt refused domain %s as rewritten (%s)", domain, changes(p.result))
	switch o {
	case denied:
		log.Infof("libvirt does not let this client do %s with domain %s: %s", proc, domain, p.redacted(r))
	case refusedFinally:
		c.count(proc, resultRefused)
		log.WithField("DIFF", p.diff()).
			Warnf("%s, and the client gets the refusal; whether libvirt takes it as the client wrote it was not tried: %s", asRewritten, p.redacted(r))
	case originalTaken:
		c.count(proc, resultRefused)
		log.WithField("DIFF", p.diff()).
			Warnf("%s and took it as the client wrote it: %s", asRewritten, p.redacted(p.refusal))
	case originalRefused:
		text := p.redacted(r)
		if first := p.redacted(p.refusal); first != text {
			text += "; as rewritten: " + first
		}
		log.Infof("libvirt refused domain %s as the client wrote it, too: %s", domain, text)
	case originalUnanswered:
		log.Warnf("%s, and the connection ended before it answered to it as the client wrote it: %s", asRewritten, p.redacted(p.refusal))
	case unreadableTaken:
		c.count(proc, resultUnparsed)
		log.Errorf("%s of domain %s passed on unchanged, and libvirt took it: %s; %s", proc, domain, p.unreadable, p.remedy)
	case unreadableRefused:
		log.Infof("%s passed on unchanged, and libvirt refused it too: %s", proc, p.unreadable)
	}
}

func (p *pendingCall) fields() logrus.Fields {
	if p.state == unreadable {
		return logrus.Fields{"PROCEDURE": p.key.Proc.String(), "DOMAIN": cmp.Or(p.domain, "unknown")}
	}
	return callFields(p.key.Proc, p.result)
}

// remedy is what to do about a document that only libvirt can read.
func remedy(err error) string {
	const later = "the rules reach the domain only now that libvirt has it, for its next start"
	if errors.As(err, new(*domainxml.SyntaxError)) {
		return "fix that where the document is made; until then " + later
	}
	return later
}

// logUnsaved logs that a domain lacks the undo record of a device.
func (c *conn) logUnsaved(p *pendingCall, err error) {
	c.log.WithFields(p.fields()).
		Warnf("virt-netboot revert will not put back what was taken from a device of domain %s (%s), as there is no undo record of it in the domain's metadata: %v",
			p.domain, changes(p.result), err)
}

// logAuth logs what a client cannot know whom polkit wants a password of: polkit
// looks for an agent that asks at the process that has connected to libvirt, this one.
func (c *conn) logAuth(r *rpc.Refusal) {
	if r.Code == rpc.ErrAuthUnavailable {
		c.log.Warnf("polkit wants a password of this client, and through the gateway it cannot ask for one: "+
			"let the client's user in by a rule or a group, or have it use libvirt's own socket %s", c.srv.upstream())
	}
}

// redacted is libvirt's message without the secrets of the document before and after.
func (p *pendingCall) redacted(r *rpc.Refusal) string {
	return domainxml.RedactMessage(r.Text, p.call.XML, p.result.Output)
}

// diff is what libvirt did not take, with the secrets of both documents hidden.
func (p *pendingCall) diff() string {
	before, err := domainxml.Redact(p.call.XML)
	if err != nil {
		return "not shown: " + err.Error()
	}
	after, err := domainxml.Redact(p.result.Output)
	if err != nil {
		return "not shown: " + err.Error()
	}
	return string(diff.Diff("as the client wrote it", before, "as rewritten", after))
}

func (c *conn) count(proc rpc.Procedure, result string) {
	c.srv.Metrics.calls.WithLabelValues(proc.String(), result).Inc()
}
