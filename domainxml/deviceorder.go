package domainxml

import (
	"slices"
	"strconv"
)

// movedOrder is a device's boot order as rewrites left it, and as it was before them; 0
// where it had none.
type movedOrder struct{ is, was uint }

// orderShift is what rewrites have done to the boot orders of a domain: they have put
// interfaces in front, and what is behind those, with the number from or a higher one,
// has moved back by as many.
type orderShift struct{ from, by uint }

// translatedOrder is the boot order for a device that its client attaches or updates
// with n; 0 for none. The client knows the boot orders before rewrites: say, a disk at 1
// and a CD-ROM at 2, where now an interface has 1, and they have 2 and 3. self is the
// device itself, nil where the domain never had it: with the number that it had before
// or has now, it gets the one that it has now.
func translatedOrder(n uint, self *movedOrder, shift orderShift) uint {
	switch {
	case self != nil && (n == self.was || n == self.is):
		return self.is
	case n > 0 && shift.by > 0 && n >= shift.from:
		return n + shift.by
	}
	return n
}

// editDeviceOrder gives a device the boot order that it has, or must get, in its domain
// now.
func (r *rewrite) editDeviceOrder(owner *Document) {
	dev := r.doc.Root
	if !mayBoot(dev) || !owner.ordersMoved() {
		return
	}
	boot, n := dev.Child("boot"), uint(0)
	if boot != nil {
		if n = orderNumber(r.doc.Attr(boot, "order")); n == 0 {
			return // libvirt refuses it
		}
	}
	now := translatedOrder(n, owner.movedOrder(r.doc.deviceID(dev)), owner.orderShift())
	if now == n {
		return
	}
	change := Change{Kind: ChangeBootOrder, From: "none", To: strconv.FormatUint(uint64(now), 10)}
	if boot == nil {
		insertOrder(r.edits, dev, change.To)
	} else {
		change.From = strconv.FormatUint(uint64(n), 10)
		r.edits.SetAttribute(boot.Attribute("order"), change.To)
	}
	r.changed(dev.Start, change)
}

func (d *Document) ordersMoved() bool {
	return slices.ContainsFunc(d.undo.items, func(i undoItem) bool { return i.thing == undoOrder })
}

// movedOrder is the boot order of a device that the domain has, or had when it was
// rewritten; nil of another one.
func (d *Document) movedOrder(id deviceID) *movedOrder {
	dev := d.doc.devices().named(d.doc, id)
	for _, i := range d.undo.items {
		if i.thing == undoOrder && i.element == dev && (dev != nil || i.device.key() == id.key()) && d.standsOrGone(i) {
			return &movedOrder{is: orderNumber(first(i.wrote)), was: orderNumber(first(i.was))}
		}
	}
	if dev == nil {
		return nil
	}
	order := d.orders[dev].boot.Order
	return &movedOrder{is: order, was: order}
}

// orderShift reads it from the undo record, for what a client has not set since.
func (d *Document) orderShift() orderShift {
	var shift orderShift
	for _, i := range d.undo.items {
		was, wrote := orderNumber(first(i.was)), orderNumber(first(i.wrote))
		inFront := i.thing == undoOrder && (i.device.kind == "interface" || i.device.kind == "hostdev") && wrote > 0 && (was == 0 || wrote < was)
		if !inFront || !d.standsOrGone(i) {
			continue
		}
		if shift.by++; shift.by == 1 || wrote < shift.from {
			shift.from = wrote
		}
	}
	return shift
}

// standsOrGone reports whether a device has what a rewrite wrote, or is gone.
func (d *Document) standsOrGone(i undoItem) bool { return d.stands([]undoItem{i}) }
