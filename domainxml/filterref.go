package domainxml

import (
	"github.com/virt-netboot/virt-netboot/domainxml/internal/xmltree"
	"libvirt.org/go/libvirtxml"
)

// filterref is the filterref rule: an interface's new filterref, nil for none. A
// replaced one keeps its parameters, since the other nwfilter may use the same
// variables.
func filterref(ref *libvirtxml.DomainInterfaceFilterRef, rule Filterref) *libvirtxml.DomainInterfaceFilterRef {
	switch {
	case ref == nil || rule.Action == FilterrefKeep:
		return ref
	case rule.Action == FilterrefReplace:
		return &libvirtxml.DomainInterfaceFilterRef{Filter: rule.Filter, Parameters: ref.Parameters}
	}
	return nil
}

func (r *rewrite) editFilterref(n nic) {
	rule := r.rule.Filterref
	if n.FilterRef == nil {
		return
	}
	if w := r.cannotStartWith(rule, n); w != nil {
		r.warned(*w)
		return
	}
	want := filterref(n.FilterRef, rule)
	var wrote []piece
	if want != nil {
		wrote = []piece{{filterrefElement(want.Filter), want.Filter}}
	}
	before := len(r.changes)
	for _, el := range n.element.All("filterref") {
		change := Change{Kind: ChangeFilterrefRemoved, Interface: n.label, From: r.doc.Attr(el, "filter")}
		switch filter := el.Attribute("filter"); {
		case want == nil:
			r.edits.Remove(el)
		case filter == nil || want.Filter == change.From:
			continue
		default:
			r.edits.SetAttribute(filter, want.Filter)
			change.Kind, change.To = ChangeFilterrefReplaced, want.Filter
		}
		r.changed(el.Start, change)
	}
	if len(r.changes) > before {
		r.record(r.ofDevice(undoFilterref, n.element, wrote))
	}
}

func filterrefElement(filter string) string {
	return "<filterref filter='" + xmltree.Escape(filter) + "'/>"
}

// cannotStartWith is the reason why the guest might not start with the nwfilter that
// the rule wants; nil where there is none.
func (r *rewrite) cannotStartWith(rule Filterref, n nic) *Warning {
	if rule.Action != FilterrefReplace || r.nwfilter == nil {
		return nil
	}
	w := Warning{Interface: n.label, Filter: rule.Filter}
	f := r.nwfilter(rule.Filter)
	switch f.State {
	case NWFilterUnknown:
		w.Kind = WarningFilterUnknown
		return &w
	case NWFilterMissing:
		w.Kind = WarningFilterMissing
		return &w
	}
	if w.Variables = f.Unresolved(n.FilterRef.Parameters); len(w.Variables) == 0 {
		return nil
	}
	w.Kind = WarningFilterVariable
	return &w
}
