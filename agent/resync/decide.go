package resync

import (
	"strings"

	"github.com/virt-netboot/virt-netboot/agent/resync/dnsmasq"
	"github.com/virt-netboot/virt-netboot/agent/resync/edit"
	"github.com/virt-netboot/virt-netboot/agent/resync/novatemplate"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// editor brings the files of one kind in line.
type editor struct {
	// edit applies a rule to a text.
	edit func(src []byte, rule domainxml.Rule) (edit.Result, error)
	// rules are those, as far as they make a difference to edit, that may have made a
	// text what it is.
	rules func(text []byte) []domainxml.Rule
}

// editorOf returns the editor of a kind of file, nil for an unknown one.
func editorOf(kind config.FileKind) *editor {
	switch kind {
	case config.KindNovaTemplate:
		return &editor{novatemplate.Edit, novatemplate.PossibleRules}
	case config.KindDnsmasq:
		return &editor{editDnsmasq, dnsmasqRules}
	}
	return nil
}

func editDnsmasq(src []byte, rule domainxml.Rule) (edit.Result, error) {
	if rule.Boot != domainxml.BootNetworkFirst {
		return edit.Result{Output: src}, nil
	}
	return dnsmasq.Edit(src)
}

func dnsmasqRules([]byte) []domainxml.Rule {
	return []domainxml.Rule{{Boot: domainxml.BootKeep}, {Boot: domainxml.BootNetworkFirst}}
}

// ruleFor returns the rule for a file, which is one for all domains of the node.
//
// For a template that is the first rule without a match. Where every rule is for
// some domains only, the template is left as it came, since a domain that no rule
// fits is left alone. dnsmasq must ignore iPXE as soon as any rule has a domain
// boot from the network.
func ruleFor(kind config.FileKind, p domainxml.Policy) domainxml.Rule {
	for _, r := range p.Rules {
		if r.Boot != domainxml.BootKeep {
			r.Boot = domainxml.BootNetworkFirst // a template has nothing by which the others differ
		}
		switch {
		case kind == config.KindDnsmasq && r.Boot == domainxml.BootNetworkFirst:
			return r
		case kind == config.KindNovaTemplate && r.Match.Fits(domainxml.Domain{}):
			return r
		}
	}
	return domainxml.Rule{Boot: domainxml.BootKeep, Filterref: domainxml.Filterref{Action: domainxml.FilterrefKeep}}
}

// decision is what is to become of a file.
type decision struct {
	edit.Result      // Output is what the file should be
	Write       bool // whether that differs from what it is
	Stock       []byte
}

// decide compares a file with what the rule makes of it. kept is the stock file
// as it was kept, nil without one. The decision's Stock is what must be kept from
// now on, nil where kept stays.
//
// A file that comes from kept by any rule is edited again from kept, so that a
// changed rule also puts things back. Any other is a new stock file, unless it
// has something that only an edit of kept brings in: then it was changed
// our file, and it must not take the place of the stock.
func decide(e *editor, rule domainxml.Rule, current, kept []byte) (decision, error) {
	now, err := e.edit(current, rule)
	if err != nil {
		return decision{}, err
	}
	if kept != nil && e.makes(current, kept) {
		again, err := e.edit(kept, rule)
		if err != nil {
			return decision{}, err
		}
		if string(again.Output) != string(current) {
			return decision{Result: again, Write: true}, nil
		}
		return decision{Result: now}, nil
	}
	d := decision{Result: now, Write: len(now.Changes) > 0}
	if d.Write && (kept == nil || !e.shows(current, kept)) {
		d.Stock = current
	}
	return d, nil
}

// makes reports whether some rule makes current of kept.
func (e *editor) makes(current, kept []byte) bool {
	for _, rule := range e.rules(current) {
		if res, err := e.edit(kept, rule); err == nil && string(res.Output) == string(current) {
			return true
		}
	}
	return false
}

// shows reports whether a line that an edit of kept brings in is in current.
func (e *editor) shows(current, kept []byte) bool {
	res, err := e.edit(kept, domainxml.DefaultRule())
	if err != nil {
		return false
	}
	had, has := lines(kept), lines(current)
	for line := range lines(res.Output) {
		if line != "" && !had[line] && has[line] {
			return true
		}
	}
	return false
}

func lines(text []byte) map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		set[strings.TrimSpace(line)] = true
	}
	return set
}
