package domainxml

import (
	"slices"
)

// undoRecord is what a domain's metadata has of ours: what rewrites have changed, so
// that [Document.Revert] can put it back, and the marks of revert and once.
type undoRecord struct {
	// uuid is that of the domain that the record is for, "" where it had none yet.
	// In a domain with another one, a clone, the marks do not hold, and the position
	// of a device counts instead of its name.
	uuid        string
	reverted    bool // no rule applies to the domain
	newMetadata bool // the <metadata> around the record is ours too
	once        Once
	items       []undoItem
	// incomplete: the record does not name its domain or all of its devices, which
	// have a UUID and names by now.
	incomplete bool
}

// undoItem is one thing that rewrites have changed. It is put back by compare and
// swap: where the document still has what was written, what was there comes back.
type undoItem struct {
	thing   undoThing
	device  deviceID // of an order and a filterref
	element *element // that device in the document, nil where it is gone
	was     []piece  // what was there before the first rewrite
	wrote   []piece  // what the last rewrite has written
}

// undoThing says what an item is about.
type undoThing string

const (
	undoBoot      undoThing = "boot"      // the <boot dev='…'/> of <os>
	undoOrder     undoThing = "order"     // the <boot order='…'/> of a device
	undoKernel    undoThing = "kernel"    // what <os> has for a kernel
	undoFilterref undoThing = "filterref" // the <filterref> of an interface
)

func (t undoThing) ofDevice() bool { return t == undoOrder || t == undoFilterref }

// piece is an element of a document.
type piece struct {
	source string // as it is written
	value  string // what it says: a boot device, a number, a filter, a kernel's path
}

// same reports whether a thing is as it is in the other form. Of several filterrefs
// libvirt heeds and keeps the first.
func (t undoThing) same(a, b []piece) bool {
	if t == undoFilterref {
		a, b = a[:min(len(a), 1)], b[:min(len(b), 1)]
	}
	return slices.EqualFunc(a, b, func(a, b piece) bool { return a.value == b.value })
}

// undoGroup is what goes back together or not at all: the boot order, which is that
// of <os> and those of the devices; a kernel; the filterref of one interface.
type undoGroup struct {
	thing   undoThing // undoBoot for an order, too
	element *element  // the interface
	gone    deviceID  // or how the record names one that is gone
}

var groupBoot = undoGroup{thing: undoBoot}

func (i undoItem) group() undoGroup {
	switch i.thing {
	case undoOrder:
		return groupBoot
	case undoFilterref:
		if i.element == nil {
			return undoGroup{thing: undoFilterref, gone: i.device.key()}
		}
		return undoGroup{thing: undoFilterref, element: i.element}
	}
	return undoGroup{thing: i.thing}
}

// of returns the items of a group.
func (u undoRecord) of(g undoGroup) []undoItem {
	return slices.DeleteFunc(slices.Clone(u.items), func(i undoItem) bool { return i.group() != g })
}

// without returns the items of all other groups.
func (u undoRecord) without(g undoGroup) []undoItem {
	return slices.DeleteFunc(slices.Clone(u.items), func(i undoItem) bool { return i.group() == g })
}

// grouped returns the items group by group, in the order of the first of each.
func grouped(items []undoItem) [][]undoItem {
	at := map[undoGroup]int{}
	var groups [][]undoItem
	for _, i := range items {
		n, known := at[i.group()]
		if !known {
			n = len(groups)
			at[i.group()] = n
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], i)
	}
	return groups
}

// empty reports whether there is nothing to keep.
func (u undoRecord) empty() bool { return !u.reverted && u.once == OnceNone && len(u.items) == 0 }

// now is what the document has of a thing.
func (v *view) now(i undoItem) []piece {
	var pieces []piece
	switch i.thing {
	case undoBoot:
		for _, el := range v.boots {
			pieces = append(pieces, v.piece(el))
		}
	case undoOrder:
		if boot := i.element.Child("boot"); boot != nil {
			pieces = append(pieces, v.piece(boot))
		}
	case undoKernel:
		for _, name := range kernelElements() {
			if el := v.osElement.Child(name); v.doc.Text(el) != "" {
				pieces = append(pieces, v.piece(el))
			}
		}
	case undoFilterref:
		for _, el := range i.element.All("filterref") {
			pieces = append(pieces, v.piece(el))
		}
	}
	return pieces
}

// there are the items whose device the domain still has.
func there(items []undoItem) []undoItem {
	return slices.DeleteFunc(slices.Clone(items), func(i undoItem) bool { return i.thing.ofDevice() && i.element == nil })
}

// stands reports whether the document has what a rewrite wrote, as far as the
// devices are there.
func (v *view) stands(items []undoItem) bool {
	return !slices.ContainsFunc(there(items), func(i undoItem) bool { return !i.thing.same(v.now(i), i.wrote) })
}

// isBack reports whether the document has what was there before.
func (v *view) isBack(items []undoItem) bool {
	return !slices.ContainsFunc(there(items), func(i undoItem) bool { return !i.thing.same(v.now(i), i.was) })
}

// merged adds what a further rewrite has changed. Where what was written before still
// stands, what was there before that is what a revert puts back; otherwise a client
// has set it since, and that is.
func (v *view) merged(items, taken []undoItem) []undoItem {
	newer := map[undoGroup][]undoItem{}
	for _, group := range grouped(taken) {
		newer[group[0].group()] = group
	}
	var all []undoItem
	for _, group := range grouped(items) {
		g := group[0].group()
		again, both := newer[g]
		delete(newer, g)
		if both && v.stands(group) {
			group = rewritten(group, again)
		} else if both {
			group = again
		}
		all = append(all, group...)
	}
	for _, group := range grouped(taken) {
		all = append(all, newer[group[0].group()]...)
	}
	all = slices.DeleteFunc(all, func(i undoItem) bool { return i.thing.same(i.was, i.wrote) })
	things := []undoThing{undoBoot, undoOrder, undoKernel, undoFilterref}
	slices.SortStableFunc(all, func(a, b undoItem) int { return slices.Index(things, a.thing) - slices.Index(things, b.thing) })
	return all
}

// rewritten are the items of a group after a further rewrite.
func rewritten(items, again []undoItem) []undoItem {
	type key struct {
		thing   undoThing
		element *element
	}
	items, at := slices.Clone(items), map[key]int{}
	for n, i := range items {
		if !i.thing.ofDevice() || i.element != nil {
			at[key{i.thing, i.element}] = n
		}
	}
	for _, i := range again {
		if n, known := at[key{i.thing, i.element}]; known {
			items[n].wrote = i.wrote
		} else {
			items = append(items, i)
		}
	}
	return items
}
