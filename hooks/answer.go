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
	stderr string // a line that reaches who asked for the start, when it is refused
	log    []record
	result hookreport.Result // for the agent
}

// record is a line for the log.
type record struct {
	level   logrus.Level
	message string
	fields  logrus.Fields
}

// door is what an operator has to know to bring a domain in by the right door.
type door struct {
	gateway string // path of the gateway's socket
	config  string // path of the configuration
}

// decide is the answer to a call whose document the rules could read.
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
		a.log = append(a.log, changeRecord(call, res, c, refused))
	}
	for _, w := range res.Warnings {
		a.log = append(a.log, warningRecord(call, res, w))
	}
	return a
}

// deniable reports whether the policy may refuse the start over what differs. A
// kernel is no reason, nor the boot order that counts once it is gone: prepare
// is also called for a guest that arrives by migration or from a saved image,
// with nothing to tell it from a fresh start, and such a guest has to keep the
// kernel that it runs. Nor is a network that comes first although the disk is to,
// which costs no more than time.
func deniable(changes []domainxml.Change) bool {
	kinds := map[domainxml.ChangeKind]bool{}
	for _, c := range changes {
		kinds[c.Kind] = true
	}
	return kinds[domainxml.ChangeFilterrefRemoved] || kinds[domainxml.ChangeFilterrefReplaced] ||
		kinds[domainxml.ChangeBootOrder] && !kinds[domainxml.ChangeKernelDropped]
}

// passed is the answer that leaves everything as it is, and says why.
func passed(call Call, format string, args ...any) answer {
	message := fmt.Sprintf("%s goes on unchanged at %s: ", call.Domain, call.Operation) + fmt.Sprintf(format, args...)
	return answer{
		log:    []record{{logrus.ErrorLevel, message, fields(call, domainxml.Result{})}},
		result: hookreport.Passed,
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

func changeRecord(call Call, res domainxml.Result, c domainxml.Change, refused bool) record {
	f := fields(call, res)
	f["CHANGE"] = string(c.Kind)
	wants := fmt.Sprintf("rule %q wants %s", res.Rule.Name, c)
	switch {
	case res.Observed:
		return record{logrus.InfoLevel, fmt.Sprintf("%s goes on unchanged at %s (mode: observe): %s", call.Domain, call.Operation, wants), f}
	case refused:
		return record{logrus.WarnLevel, fmt.Sprintf("%s may not start unprepared: %s", call.Domain, wants), f}
	case call.Operation == Prepare:
		return record{logrus.WarnLevel, fmt.Sprintf("%s starts unprepared: %s", call.Domain, wants), f}
	}
	return record{logrus.InfoLevel, fmt.Sprintf("%s at %s: %s", call.Domain, call.Operation, c), f}
}

func warningRecord(call Call, res domainxml.Result, w domainxml.Warning) record {
	f := fields(call, res)
	f["WARNING"] = string(w.Kind)
	return record{logrus.WarnLevel, fmt.Sprintf("%s: %s", call.Domain, w), f}
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
