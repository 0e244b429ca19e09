package domainxml

import (
	"slices"
)

// undoRecord is virt-netboot's element in a domain's metadata: what rewrites have
// changed, so that [Document.Revert] can put it back, and the marks of revert and once.
type undoRecord struct {
	// uuid is that of the record's domain, "" where it had none yet. A domain with
	// another UUID is a clone: the marks do not apply to it, and its devices are found
	// by their position instead of their name.
	uuid        string
	reverted    bool // no rule applies to the domain
	newMetadata bool // virt-netboot has added the <metadata>, too
	once        Once
	items       []undoItem
	// incomplete: the record lacks the UUID of its domain or names of devices, which
	// libvirt has set since.
	incomplete bool
}

// undoItem is one thing that rewrites have changed. It is put back by compare and swap:
// only where the document still has what was written.
type undoItem struct {
	thing   undoThing
	device  deviceID // of an order or a filterref
	element *element // that device in the document; nil where it is gone
	was     []piece  // what was there before the first rewrite
	wrote   []piece  // what the last rewrite has written
}

// undoThing is the kind of an item.
type undoThing string

const (
	undoBoot      undoThing = "boot"      // the <boot dev='…'/> of <os>
	undoOrder     undoThing = "order"     // the <boot order='…'/> of a device
	undoKernel    undoThing = "kernel"    // the kernel's elements in <os>
	undoFilterref undoThing = "filterref" // the <filterref> of an interface
	undoRNG       undoThing = "rng"       // the random number generator that was added
)

func (t undoThing) ofDevice() bool { return t == undoOrder || t == undoFilterref }

// piece is an element of a document.
type piece struct {
	source string // the element
	value  string // its value: a boot device, a number, a filter, a kernel's path
}

// same reports whether two forms of a thing have the same values. Of several filterrefs
// libvirt reads the first, and drops the others.
func (t undoThing) same(a, b []piece) bool {
	if t == undoFilterref {
		a, b = a[:min(len(a), 1)], b[:min(len(b), 1)]
	}
	return slices.EqualFunc(a, b, func(a, b piece) bool { return a.value == b.value })
}

// undoGroup is what is put back together or not at all: the boot order, in <os> and of
// all devices; the kernel; the filterref of one interface; the random number generator.
type undoGroup struct {
	thing   undoThing // undoBoot for an order, too
	element *element  // the interface
	gone    deviceID  // or the record's name of one that is gone
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

// empty reports whether the record has nothing.
func (u undoRecord) empty() bool { return !u.reverted && u.once == OnceNone && len(u.items) == 0 }

// now is an item's thing as the document has it.
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
	case undoRNG:
		for _, el := range v.addedRNGs() {
			pieces = append(pieces, v.piece(el))
		}
	}
	return pieces
}

// present are the items whose device the domain still has.
func present(items []undoItem) []undoItem {
	return slices.DeleteFunc(slices.Clone(items), func(i undoItem) bool { return i.thing.ofDevice() && i.element == nil })
}

// stands reports whether the document still has what a rewrite wrote, for the devices
// that are present.
func (v *view) stands(items []undoItem) bool {
	return !slices.ContainsFunc(present(items), func(i undoItem) bool { return !i.thing.same(v.now(i), i.wrote) })
}

// isBack reports whether the document has what was there before the rewrite.
func (v *view) isBack(items []undoItem) bool {
	return !slices.ContainsFunc(present(items), func(i undoItem) bool { return !i.thing.same(v.now(i), i.was) })
}

// merged adds what a further rewrite has changed. Where the document still has what the
// earlier rewrite wrote, a revert puts back what was there before that one. Otherwise a
// client has set it since, and a revert puts that back.
func (v *view) merged(items, recorded []undoItem) []undoItem {
	newer := map[undoGroup][]undoItem{}
	for _, group := range grouped(recorded) {
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
	for _, group := range grouped(recorded) {
		all = append(all, newer[group[0].group()]...)
	}
	all = slices.DeleteFunc(all, func(i undoItem) bool { return i.thing.same(i.was, i.wrote) })
	things := []undoThing{undoBoot, undoOrder, undoKernel, undoFilterref, undoRNG}
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
