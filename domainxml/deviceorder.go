package domainxml

import (
	"math"
	"slices"
	"strconv"
)

// movedOrder is a device's boot order as rewrites left it, and as it was before
// them; 0 where it had none.
type movedOrder struct{ is, was uint }

// translatedOrder is the boot order for a device that its client attaches or updates
// with n; 0 for none. The client knows the boot orders before rewrites: say, a disk at 1
// and a CD-ROM at 2, where now an interface has 1, and they have 2 and 3. self is the
// device itself, nil when it is new; others are all others with a boot order.
func translatedOrder(n uint, self *movedOrder, others []movedOrder) uint {
	taken := func(n uint) bool {
		return slices.ContainsFunc(others, func(o movedOrder) bool { return o.is == n })
	}
	switch {
	case self != nil && self.was == n:
		return self.is
	case !taken(n):
		return n
	}
	after, before := uint(0), uint(math.MaxUint32)
	for _, o := range others {
		switch {
		case o.was == n:
			return n // without virt-netboot libvirt would refuse it, too
		case o.was < n:
			after = max(after, o.is)
		default:
			before = min(before, o.is)
		}
	}
	for after++; taken(after); after++ {
	}
	if after > before {
		return n
	}
	return after
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
	self, others := owner.movedOrders(owner.doc.devices().named(owner.doc, r.doc.deviceID(dev)))
	now := translatedOrder(n, self, others)
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

// movedOrders are the boot orders of a domain: of one device, nil when it has
// none, and of all others.
func (d *Document) movedOrders(dev *element) (self *movedOrder, others []movedOrder) {
	was := map[*element]uint{}
	for _, i := range d.undo.items {
		if i.thing == undoOrder && i.element != nil {
			was[i.element] = orderNumber(first(i.was))
		}
	}
	for _, o := range d.ordered {
		moved := movedOrder{is: o.boot.Order, was: o.boot.Order}
		if before, known := was[o.device]; known {
			moved.was = before
		}
		if o.device == dev {
			self = &moved
		} else {
			others = append(others, moved)
		}
	}
	return self, others
}
