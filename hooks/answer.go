package hooks

import (
	"fmt"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/hookreport"
	"github.com/virt-netboot/virt-netboot/internal/printable"
)

// answer is what a call results in.
type answer struct {
	status int    // exit status: 0, or 1 to refuse the start
	stdout []byte // the new document; empty means unchanged
	stderr string // a line for the client that asked for the start, when it is refused
	log    []logLine
	result hookreport.Result // for the agent
}

// logLine is a line for the log.
type logLine struct {
	level   logrus.Level
	message string
	fields  logrus.Fields
}

// door is where an operator defines a domain so that it is prepared.
type door struct {
	gateway string // path of the gateway's socket
	config  string // path of the configuration
	// observes is the key of the configuration that leaves the domain as it is.
	observes string
}

// decide is the answer to a call whose document could be read.
func decide(call Call, res domainxml.Result, d door) answer {
	a := answer{result: hookreport.Unchanged}
	refused := call.Operation == Prepare && res.Changed() && deniable(res.Changes) && res.Rule.Unprepared == domainxml.UnpreparedDeny
	switch {
	case refused:
		a.result = hookreport.Denied
		a.status, a.stderr = 1, printable.Line(refusal(call, res, d))+"\n"
	case res.Changed():
		a.result = hookreport.Rewritten
		a.stdout = res.Output
		if call.Operation == Prepare {
			a.result = hookreport.Unprepared
		}
	case len(res.Changes) > 0:
		a.result = hookreport.Observed
	}
	for _, c := range res.Changes {
		a.log = append(a.log, changeLine(call, res, c, refused, d.observes))
	}
	if call.Operation != Prepare {
		return a // libvirt calls prepare for this guest, too
	}
	for _, w := range res.Warnings {
		a.log = append(a.log, warningLine(call, res, w))
	}
	return a
}

// deniable reports whether the policy may refuse the start for these changes: for a
// filterref, or for a boot order without the network first. A kernel is not a reason,
// nor the boot order that counts once it is gone. libvirt also calls prepare for a guest
// that arrives by migration or from a saved image, which looks like any other start, and
// such a guest must keep the kernel that it runs. A boot order with the network first
// where the disk should be is not a reason either: it only costs time.
func deniable(changes []domainxml.Change) bool {
	kinds := map[domainxml.ChangeKind]bool{}
	for _, c := range changes {
		kinds[c.Kind] = true
	}
	return kinds[domainxml.ChangeFilterrefRemoved] || kinds[domainxml.ChangeFilterrefReplaced] ||
		kinds[domainxml.ChangeBootOrder] && !kinds[domainxml.ChangeKernelDropped]
}

// passed is the answer that leaves the document unchanged, with the reason.
func passed(call Call, format string, args ...any) answer {
	message := fmt.Sprintf("%s goes on unchanged at %s: ", call.Domain, call.Operation) + fmt.Sprintf(format, args...)
	return answer{
		log:    []logLine{{logrus.ErrorLevel, message, fields(call, domainxml.Result{})}},
		result: hookreport.Passed,
	}
}

// unchecked is the answer to a call whose document cannot be read. It goes on unchanged,
// unless the rule that may be the domain's has unprepared: deny: such a document would be
// a way around it.
func unchecked(call Call, p domainxml.Policy, rule *domainxml.Rule, why error, d door) answer {
	if call.Operation != Prepare || p.Observe || rule == nil || rule.Unprepared != domainxml.UnpreparedDeny {
		return passed(call, "%v", why)
	}
	message := fmt.Sprintf("%s may not start: rule %q has unprepared: deny, and the document cannot be checked: %v", call.Domain, rule.Name, why)
	return answer{
		status: 1,
		stderr: printable.Line(fmt.Sprintf("virt-netboot: domain %s; define the domain again without that, or set unprepared: warn in that rule in %s", message, d.config)) + "\n",
		log:    []logLine{{logrus.ErrorLevel, message, fields(call, domainxml.Result{Rule: rule})}},
		result: hookreport.Denied,
	}
}

func refusal(call Call, res domainxml.Result, d door) string {
	changes := make([]string, len(res.Changes))
	for i, c := range res.Changes {
		changes[i] = c.String()
	}
	return fmt.Sprintf("virt-netboot: domain %s may not start: rule %q wants %s; define the domain again through the gateway socket %s, or set unprepared: warn in that rule in %s",
		call.Domain, res.Rule.Name, strings.Join(changes, ", "), d.gateway, d.config)
}

func changeLine(call Call, res domainxml.Result, c domainxml.Change, refused bool, observes string) logLine {
	f := fields(call, res)
	f["CHANGE"] = string(c.Kind)
	wants := fmt.Sprintf("rule %q wants %s", res.Rule.Name, c)
	switch {
	case res.Observed:
		return logLine{logrus.InfoLevel, fmt.Sprintf("%s goes on unchanged at %s (%s): %s", call.Domain, call.Operation, observes, wants), f}
	case refused:
		return logLine{logrus.WarnLevel, fmt.Sprintf("%s may not start unprepared: %s", call.Domain, wants), f}
	case call.Operation == Prepare:
		return logLine{logrus.WarnLevel, fmt.Sprintf("%s starts unprepared: %s", call.Domain, wants), f}
	}
	return logLine{logrus.InfoLevel, fmt.Sprintf("%s at %s: %s", call.Domain, call.Operation, c), f}
}

func warningLine(call Call, res domainxml.Result, w domainxml.Warning) logLine {
	f := fields(call, res)
	f["WARNING"] = string(w.Kind)
	return logLine{logrus.WarnLevel, fmt.Sprintf("%s: %s", call.Domain, w), f}
}

func fields(call Call, res domainxml.Result) logrus.Fields {
	f := logrus.Fields{"DOMAIN": call.Domain, "OPERATION": string(call.Operation)}
	if res.Domain.UUID != "" {
		f["UUID"] = res.Domain.UUID
	}
	if res.Rule != nil {
		f["RULE"] = res.Rule.Name
	}
	return f
}
