package domainxml

import (
	"slices"
	"strings"

	"libvirt.org/go/libvirtxml"
)

// filterrefRecord is a <filterref> that a rewrite took from an interface.
type filterrefRecord struct {
	deviceID
	element string // as it was
	to      string // the nwfilter that a rule has put in its place, "" for none
}

// filter is the nwfilter that was there.
func (f filterrefRecord) filter() string {
	d, err := parse([]byte(f.element))
	if err != nil {
		return ""
	}
	return d.attr(d.root, "filter")
}

// takeFilterrefs records all that an interface has, though libvirt heeds the first
// alone.
func (r *rewrite) takeFilterrefs(n nic, want *libvirtxml.DomainInterfaceFilterRef) {
	to := ""
	if want != nil {
		to = want.Filter
	}
	for _, el := range n.element.all("filterref") {
		r.taken.filterrefs = append(r.taken.filterrefs, filterrefRecord{r.doc.deviceID(n.element), r.doc.source(el), to})
	}
}

// interfacesOf are the interfaces of records that are there still.
func (d *document) interfacesOf(kept []filterrefRecord) map[deviceID]*element {
	var ids []deviceID
	for _, f := range kept {
		ids = append(ids, f.deviceID)
	}
	return d.find(ids)
}

// keepFilterrefs adds what a further rewrite took. Where both took from one
// interface the newer counts, as somebody has set that since, unless it is what the
// earlier rewrite had put there itself.
func (d *document) keepFilterrefs(kept, newer []filterrefRecord) []filterrefRecord {
	was, is := d.interfacesOf(kept), d.interfacesOf(newer)
	var all []filterrefRecord
	ours := map[*element]bool{}
	for _, f := range kept {
		nic := was[f.deviceID]
		i := slices.IndexFunc(newer, func(n filterrefRecord) bool { return is[n.deviceID] == nic })
		if i >= 0 && newer[i].filter() != f.to {
			continue
		}
		if i >= 0 {
			ours[nic], f.to = true, newer[i].to
		}
		all = append(all, f)
	}
	for _, f := range newer {
		if !ours[is[f.deviceID]] {
			all = append(all, f)
		}
	}
	return all
}

// restoreFilterrefs puts filterrefs back and returns those whose interface is gone.
// They keep its name alone: their number is another interface's by and by.
func (r *rewrite) restoreFilterrefs(kept []filterrefRecord) (gone []filterrefRecord) {
	nics := r.doc.interfacesOf(kept)
	of := map[*element][]filterrefRecord{}
	for _, f := range kept {
		nic := nics[f.deviceID]
		of[nic] = append(of[nic], f)
	}
	for _, f := range of[nil] {
		if f.number > 0 { // otherwise it was said when the domain was reverted
			label := strings.TrimPrefix(f.label(), "interface ")
			r.changed(r.doc.root.start, Change{Kind: ChangeFilterrefNotRestored, Interface: label, From: f.filter()})
		}
		f.number = 0
		gone = append(gone, f)
	}
	for _, n := range r.interfaces {
		if filterrefs := of[n.element]; len(filterrefs) > 0 {
			r.restoreFilterref(n, filterrefs)
		}
	}
	return gone
}

func (r *rewrite) restoreFilterref(n nic, want []filterrefRecord) {
	now := n.element.all("filterref")
	if len(now) > 0 && n.FilterRef.Filter != want[0].to {
		if was := want[0].filter(); was != n.FilterRef.Filter {
			r.changed(n.element.start, Change{
				Kind: ChangeFilterrefNotRestored, Interface: n.label, From: was, To: n.FilterRef.Filter,
			})
		}
		return
	}
	r.changed(n.element.start, Change{Kind: ChangeFilterrefRestored, Interface: n.label})
	for i, f := range want {
		if i < len(now) {
			r.edits.add(now[i].start, now[i].end, f.element)
		} else {
			r.edits.appendChild(n.element, f.element)
		}
	}
	for _, el := range now[min(len(want), len(now)):] {
		r.edits.remove(el)
	}
}
