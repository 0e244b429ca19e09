package domainxml

import (
	"slices"
	"strings"

	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/domainxml/internal/xmltree"
)

// Revert puts back what rewrites have changed: boot order, kernel, filterrefs, random number
// generator. What a
// client has set since stays, and the changes say so. With mark the domain is marked as
// reverted, and no rule applies to it from then on; without it the undo record goes. A
// domain that was never rewritten is only marked. Of a running guest only the filterrefs
// are put back.
func (d *Document) Revert(mark bool, state State) (res Result, err error) {
	return Rewriter{}.Revert(d, mark, state)
}

// Revert is [Document.Revert] that leaves a filterref with which the guest could not
// start any more, since its nwfilter is gone or needs a variable. It stays in the undo
// record for another revert, and a warning says so.
func (r Rewriter) Revert(d *Document, mark bool, state State) (res Result, err error) {
	defer unchangedOnPanic(d.Bytes(), &res, &err)
	w := d.begin()
	w.state, w.reverted, w.nwfilter = state, mark, r.NWFilter
	if mark && state != Running && d.undoElement == nil && d.start().BootsFrom == BootsFromNetwork {
		w.warned(Warning{Kind: WarningNoRecord, BootOrder: d.bootOrder()})
	}
	var left []undoItem
	for _, group := range grouped(d.undo.items) {
		switch warning := w.cannotRestore(group); {
		case state == Running && group[0].thing != undoFilterref:
		case warning != nil && mark:
			w.warned(*warning)
			left = append(left, group...)
		case warning == nil:
			w.restore(group, ChangeBootOrder)
		}
	}
	if mark && !d.undo.reverted {
		w.changed(0, Change{Kind: ChangeMarkedReverted})
	}
	if !mark && d.undoElement != nil {
		w.changed(0, Change{Kind: ChangeRecordRemoved})
	}
	w.undo.items, w.undo.reverted, w.undo.once = left, mark, OnceNone
	if len(w.changes) > 0 {
		w.writeRecord()
	}
	return w.result(), nil
}

// Applied is the document without the mark of [Document.Revert]. [Rewriter.Rewrite]
// writes that, and the rule's boot order over one that a client has chosen.
func (d *Document) Applied() *Document {
	applied := *d
	applied.applied = true
	if d.undo.reverted {
		applied.undo.reverted = false
		applied.remarked = &Change{Kind: ChangeMarkRemoved}
	}
	return &applied
}

// cannotRestore is why the guest might not start with a filterref that is to come back;
// nil where there is no reason.
func (r *rewrite) cannotRestore(group []undoItem) *Warning {
	i := group[0]
	if i.thing != undoFilterref || i.element == nil || len(i.was) == 0 || r.nwfilter == nil || !r.stands(group) {
		return nil
	}
	ref, err := parse([]byte(i.was[0].source))
	if err != nil {
		return nil
	}
	f := r.nwfilter(i.was[0].value)
	w := Warning{Kind: WarningFilterLeft, Interface: r.interfaceLabel(i), Filter: i.was[0].value}
	if f.State == NWFilterDefined {
		w.Variables = f.Unresolved(filterParameters(ref, ref.Root))
	}
	if f.State == NWFilterMissing || len(w.Variables) > 0 {
		return &w
	}
	return nil
}

// restore puts a group back where the document still has what was written.
func (r *rewrite) restore(group []undoItem, boot ChangeKind) {
	items := present(group)
	switch {
	case len(items) == 0:
		r.reportGone(group)
	case r.stands(items) && r.fits(items):
		r.putBack(items, boot)
	case !r.isBack(items):
		r.reportLeft(items)
	}
}

// restoreBoot puts the boot order back where the document still has what was written.
func (r *rewrite) restoreBoot() {
	items := present(r.undo.of(groupBoot))
	if len(items) > 0 && r.stands(items) && r.fits(items) {
		r.putBack(items, ChangeBootOrderRestored)
	}
	if !r.clientHasChosen() {
		r.undo.items = r.undo.without(groupBoot)
	}
}

// putBack writes what was there.
func (r *rewrite) putBack(items []undoItem, boot ChangeKind) {
	switch i := items[0]; i.group().thing {
	case undoBoot:
		from := r.order
		for _, i := range items {
			r.putBoot(i)
		}
		r.order, r.first = r.orderWas(items)
		r.changed(r.osElement.Start, Change{Kind: boot, From: from, To: r.order})
	case undoKernel:
		r.putKernel(i)
	case undoFilterref:
		for _, i := range items {
			r.putFilterref(i)
		}
	case undoRNG:
		r.removeRNG()
	}
}

func (r *rewrite) putBoot(i undoItem) {
	if i.thing == undoBoot {
		r.writeBoot(values(i.was))
		return
	}
	switch boot := i.element.Child("boot"); {
	case len(i.was) == 0 && boot != nil:
		r.edits.Remove(boot)
	case len(i.was) > 0 && boot == nil:
		insertOrder(r.edits, i.element, i.was[0].value)
	case len(i.was) > 0:
		r.edits.SetAttribute(boot.Attribute("order"), i.was[0].value)
	}
}

// writeBoot writes <boot dev='…'/> in place of those that are there.
func (r *rewrite) writeBoot(boot []string) {
	behind := r.osElement.Child("type")
	if len(r.boots) > 0 {
		behind = r.boots[len(r.boots)-1]
	}
	quote := r.edits.Quote(behind)
	var elements []string
	for _, dev := range boot {
		elements = append(elements, bootElement(xmltree.Escape(dev), quote))
	}
	for _, el := range r.boots {
		r.edits.Remove(el)
	}
	r.edits.InsertAfter(behind, elements...)
}

// fits reports whether libvirt would accept the boot order once the items are back,
// beside those that clients have given to other devices since: no number twice, and one
// notation.
func (r *rewrite) fits(items []undoItem) bool {
	if items[0].group() != groupBoot {
		return true
	}
	return accepted(r.bootAfter(items))
}

// bootAfter is the boot order once the items are back: in <os>, and of the devices.
func (r *rewrite) bootAfter(items []undoItem) (boots []string, orders []orderedDevice) {
	boots = bootNames(r.os.BootDevices)
	of := map[*element]bool{}
	for _, i := range items {
		if i.thing == undoBoot {
			boots = values(i.was)
			continue
		}
		of[i.element] = true
		if len(i.was) > 0 {
			o := r.orderedDevice(i.element)
			o.boot.Order = orderNumber(i.was[0].value)
			orders = append(orders, o)
		}
	}
	for _, o := range r.ordered {
		if !of[o.device] {
			orders = append(orders, o)
		}
	}
	return boots, byOrder(orders)
}

// orderWas is the boot order that the items put back, and what comes first in it.
func (r *rewrite) orderWas(items []undoItem) (order string, first BootsFrom) {
	return r.bootOf(r.bootAfter(items))
}

// recordedOrder is the boot order of the items, without other devices.
func (r *rewrite) recordedOrder(items []undoItem) string {
	var orders []orderedDevice
	boots := []string{bootDisk}
	for _, i := range items {
		switch {
		case len(i.was) == 0:
		case i.thing == undoBoot:
			boots = values(i.was)
		default:
			o := r.orderedDevice(i.element)
			o.boot.Order = orderNumber(i.was[0].value)
			orders = append(orders, o)
		}
	}
	if len(orders) > 0 {
		return labels(byOrder(orders))
	}
	return strings.Join(boots, ", ")
}

// putKernel writes the elements of <os> that were removed, and removes empty ones.
func (r *rewrite) putKernel(i undoItem) {
	osType := r.osElement.Child("type")
	if osType == nil {
		return
	}
	var missing []string
	for _, p := range i.was {
		if !slices.ContainsFunc(i.wrote, func(w piece) bool { return w.name() == p.name() }) {
			missing = append(missing, p.source)
		}
	}
	behind := osType
	for _, name := range kernelElements() {
		all := r.osElement.All(name)
		for _, el := range all {
			if r.doc.Text(el) == "" {
				r.edits.Remove(el)
			}
		}
		if len(all) > 0 && all[len(all)-1].Start > behind.Start {
			behind = all[len(all)-1]
		}
	}
	r.edits.InsertAfter(behind, missing...)
	r.kernel, r.cmdline = text(i.was, "kernel"), text(i.was, "cmdline")
	kind := ChangeKernelRestored
	if text(i.wrote, "kernel") != "" {
		kind = ChangeCmdlineRestored
	}
	r.changed(osType.Start, Change{Kind: kind})
}

func (r *rewrite) putFilterref(i undoItem) {
	now := i.element.All("filterref")
	for n, p := range i.was {
		if n < len(now) {
			r.edits.Replace(now[n].Start, now[n].End, p.source)
		} else {
			r.edits.AppendChild(i.element, p.source)
		}
	}
	for _, el := range now[min(len(i.was), len(now)):] {
		r.edits.Remove(el)
	}
	r.changed(i.element.Start, Change{Kind: ChangeFilterrefRestored, Interface: r.interfaceLabel(i)})
}

// reportGone reports filterrefs that cannot be put back, since the device is gone.
func (r *rewrite) reportGone(group []undoItem) {
	for _, i := range group {
		if i.thing == undoFilterref {
			r.changed(r.doc.Root.Start, Change{Kind: ChangeFilterrefNotRestored, Interface: r.interfaceLabel(i), From: first(i.was)})
		}
	}
}

// reportLeft reports what stays as a client has set it.
func (r *rewrite) reportLeft(items []undoItem) {
	switch i := items[0]; i.group().thing {
	case undoBoot:
		r.changed(r.doc.Root.Start, Change{Kind: ChangeBootOrderNotRestored, From: r.recordedOrder(items), To: r.order})
	case undoKernel:
		c := Change{Kind: ChangeKernelNotRestored, From: text(i.was, "kernel"), To: r.os.Kernel}
		if text(i.wrote, "kernel") != "" {
			c = Change{Kind: ChangeCmdlineNotRestored, From: text(i.was, "cmdline"), To: r.os.Cmdline}
		}
		r.changed(r.doc.Root.Start, c)
	case undoFilterref:
		for _, i := range items {
			r.changed(i.element.Start, Change{
				Kind: ChangeFilterrefNotRestored, Interface: r.interfaceLabel(i), From: first(i.was), To: first(r.now(i)),
			})
		}
	}
}

// interfaceLabel is an item's interface, as in Change.
func (r *rewrite) interfaceLabel(i undoItem) string {
	return strings.TrimPrefix(i.device.label(), "interface ")
}

func values(pieces []piece) []string {
	s := []string{}
	for _, p := range pieces {
		s = append(s, p.value)
	}
	return s
}

// first is the value of the first piece, "" without one.
func first(pieces []piece) string {
	if len(pieces) == 0 {
		return ""
	}
	return pieces[0].value
}

// name is the element's name in a piece of a kernel, whose value is "kernel=/path".
func (p piece) name() string {
	name, _, _ := strings.Cut(p.value, "=")
	return name
}

func (p piece) is(name string) bool { return p.name() == name }

// text is the text of the piece of that name, "" without one.
func text(pieces []piece, name string) string {
	for _, p := range pieces {
		if value, is := strings.CutPrefix(p.value, name+"="); is {
			return value
		}
	}
	return ""
}

// bootDevices are the pieces of <boot dev='…'/> as libvirtxml has them.
func (v *view) bootDevices(pieces []piece) []libvirtxml.DomainBootDevice {
	var devices []libvirtxml.DomainBootDevice
	for _, p := range pieces {
		devices = append(devices, libvirtxml.DomainBootDevice{Dev: p.value})
	}
	return devices
}
