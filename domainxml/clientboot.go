package domainxml

import "strings"

// A client that changes the boot order in a document with an undo record of it has
// chosen: a BMC emulator that sets the boot device, an operator with virsh edit. That
// boot order stays until virt-netboot apply or once.

// clientHasChosen reports whether the boot order is one that a client has set since a
// rewrite has changed it.
func (r *rewrite) clientHasChosen() bool {
	items := r.undo.of(groupBoot)
	return len(items) > 0 && r.undo.once == OnceNone && !r.original.applied && !r.stands(items)
}

// warnClientBoot warns where the rule would change the boot order that a client has
// chosen.
func (r *rewrite) warnClientBoot(chosen []nic) {
	if len(r.trial(chosen).changes) > 0 {
		r.warned(Warning{Kind: WarningClientBoot, BootOrder: r.order})
	}
}

// takeOutOurs takes out of a boot order that libvirt refuses what earlier rewrites have
// put there, where libvirt takes the rest: a client has written one notation beside
// ours of the other, or a number that is ours. It reports whether it did.
func (r *rewrite) takeOutOurs() bool {
	items := r.undo.of(groupBoot)
	if len(items) == 0 || accepted(bootNames(r.os.BootDevices), r.ordered) {
		return false
	}
	boots, ours := r.withoutOurBoots(items)
	orders := r.withoutOurOrders(items)
	if !accepted(boots, orders) {
		return false
	}
	var out []string
	for _, el := range ours {
		r.edits.Remove(el)
		out = append(out, r.doc.Attr(el, "dev"))
	}
	for _, i := range items {
		if r.isOurOrder(i) {
			r.putBoot(i)
			out = append(out, r.orderedDevice(i.element).label)
		}
	}
	r.bootsNow(r.bootOf(boots, orders))
	r.changed(r.osElement.Start, Change{Kind: ChangeBootOrderFreed, From: strings.Join(out, ", "), To: r.order})
	return true
}

// withoutOurBoots are the <boot dev='…'/> without those that rewrites have added, and
// those.
func (r *rewrite) withoutOurBoots(items []undoItem) (boots []string, ours []*element) {
	added := map[string]int{}
	for _, i := range items {
		if i.thing != undoBoot {
			continue
		}
		for _, p := range i.wrote {
			added[p.value]++
		}
		for _, p := range i.was {
			added[p.value]--
		}
	}
	for n, b := range r.os.BootDevices {
		if added[b.Dev] > 0 {
			added[b.Dev]--
			ours = append(ours, r.boots[n])
		} else {
			boots = append(boots, b.Dev)
		}
	}
	return boots, ours
}

// withoutOurOrders are the devices' boot orders, with what was there before in place of
// ours.
func (r *rewrite) withoutOurOrders(items []undoItem) []orderedDevice {
	was := map[*element]uint{}
	for _, i := range items {
		if r.isOurOrder(i) {
			was[i.element] = orderNumber(first(i.was))
		}
	}
	var orders []orderedDevice
	for _, o := range r.ordered {
		if before, ours := was[o.device]; ours {
			o.boot.Order = before
			if before == 0 {
				continue
			}
		}
		orders = append(orders, o)
	}
	return orders
}

// isOurOrder reports whether a device still has the order that a rewrite wrote.
func (r *rewrite) isOurOrder(i undoItem) bool {
	return i.thing == undoOrder && i.element != nil && r.stands([]undoItem{i})
}

// accepted reports whether libvirt accepts a boot order: in one notation, and no number
// twice.
func accepted(boots []string, orders []orderedDevice) bool {
	return (len(boots) == 0 || len(orders) == 0) && validOrder(orders)
}

// bootOf is a boot order in either notation as text, and what comes first in it.
func (v *view) bootOf(boots []string, orders []orderedDevice) (order string, first BootsFrom) {
	switch {
	case len(orders) > 0:
		orders = byOrder(orders)
		return labels(orders), v.deviceKind(orders[0].device)
	case len(boots) > 0:
		return strings.Join(boots, ", "), bootKind(boots[0])
	}
	return bootDisk, BootsFromDisk
}
