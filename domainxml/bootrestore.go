package domainxml

import (
	"slices"
	"strconv"
	"strings"

	"libvirt.org/go/libvirtxml"
)

// networkFirstBy reports whether the network is first because of the rewrite that
// kept this. Behind a disk, or in the other notation, somebody has put it since.
func (v *view) networkFirstBy(kept record) bool {
	switch {
	case kept.orders != nil:
		return len(v.boots) == 0 && len(v.ordered) > 0 && validOrder(v.ordered) && v.interfaceFirst(kept.orders)
	case kept.boot != nil:
		return len(v.ordered) == 0 && len(v.boots) > 0 && validBoots(v.boots) && v.os.BootDevices[0].Dev == bootNetwork
	}
	return false
}

// interfaceFirst reports whether an interface is the first to boot, as it was
// before those went that a rewrite had put there.
func (v *view) interfaceFirst(kept []orderRecord) bool {
	if byOrder(v.ordered)[0].device.name == "interface" {
		return true
	}
	return !slices.ContainsFunc(v.recorded(kept), func(d orderedDevice) bool { return d.device.name == "interface" })
}

// restoreBoot puts the boot order back that a rewrite has changed.
func (r *rewrite) restoreBoot(kept record, kind ChangeKind) {
	change := Change{Kind: kind, From: r.bootOrder()}
	if kept.orders != nil {
		change.To = r.restoreOrders(kept)
		r.changed(r.doc.root.child("devices").start, change)
		return
	}
	boot, _ := withoutNetworkFirst(bootNames(r.os.BootDevices), *kept.boot)
	change.To = r.writeBoot(boot)
	r.changed(r.osElement.start, change)
}

// leaveBoot says that the boot order stays which somebody has set since a rewrite.
func (r *rewrite) leaveBoot(kept record) {
	change := Change{Kind: ChangeBootOrderNotRestored, From: kept.bootOrder(), To: r.bootOrder()}
	if change.From != "" && change.From != change.To {
		r.changed(r.doc.root.start, change)
	}
}

// bootOrder is the order that was kept, "" for none.
func (r record) bootOrder() string {
	switch {
	case r.boot != nil && len(*r.boot) == 0:
		return bootDisk
	case r.boot != nil:
		return strings.Join(*r.boot, ", ")
	}
	var devices []orderedDevice
	for _, o := range r.orders {
		if order := orderNumber(o.value); order > 0 {
			devices = append(devices, orderedDevice{boot: libvirtxml.DomainDeviceBoot{Order: order}, label: o.label()})
		}
	}
	return labels(byOrder(devices))
}

// keptBoot is the boot order that a revert is to put back after this rewrite. Where
// an earlier one has put the network first, that is the order before the earlier one.
func (r *rewrite) keptBoot() (boot *[]string, orders []orderRecord) {
	switch {
	case r.taken.boot == nil && r.taken.orders == nil:
		return r.kept.boot, r.kept.orders
	case !r.networkFirstBy(r.kept):
		return r.taken.boot, r.taken.orders
	case r.kept.orders == nil:
		before, _ := withoutNetworkFirst(bootNames(r.os.BootDevices), *r.kept.boot)
		return &before, r.taken.orders
	}
	orders = slices.Clone(r.kept.orders)
	known, taken := devicesOf(r.recorded(orders)), r.doc.find(orderIDs(r.taken.orders))
	for _, o := range r.taken.orders {
		if !slices.Contains(known, taken[o.deviceID]) {
			orders = append(orders, o)
		}
	}
	return r.kept.boot, orders
}

// before is an order as it was before a rewrite put some of it in front. left is
// what the rewrite made of it. Where the rest is another now, somebody has changed
// it: it stays, and what was moved to the front goes behind it.
func before[T comparable](now, left, was []T, moved func(T) bool) (order []T, exact bool) {
	rest := slices.DeleteFunc(slices.Clone(now), moved)
	if len(rest) == 0 || slices.Equal(rest, slices.DeleteFunc(slices.Clone(left), moved)) {
		return was, true
	}
	for _, d := range was {
		if moved(d) && !slices.Contains(rest, d) {
			rest = append(rest, d)
		}
	}
	return rest, false
}

func withoutNetworkFirst(now, was []string) (order []string, exact bool) {
	var left []libvirtxml.DomainBootDevice
	for _, dev := range was {
		left = append(left, libvirtxml.DomainBootDevice{Dev: dev})
	}
	return before(now, bootNames(networkFirst(left)), was, func(dev string) bool { return dev == bootNetwork })
}

// writeBoot writes <boot dev='…'/> in place of those that are there and returns
// what the guest then boots from.
func (r *rewrite) writeBoot(boot []string) string {
	behind := r.osElement.child("type")
	if len(r.boots) > 0 {
		behind = r.boots[len(r.boots)-1]
	}
	quote := r.edits.quote(behind)
	var elements []string
	for _, dev := range boot {
		elements = append(elements, bootElement(escape(dev), quote))
	}
	for _, el := range r.boots {
		r.edits.remove(el)
	}
	r.edits.insertAfter(behind, elements...)
	if len(boot) == 0 {
		return bootDisk
	}
	return strings.Join(boot, ", ")
}

// restoreOrders puts the devices' order back, or the <boot dev='…'/> that were
// there instead, and returns what the guest then boots from.
func (r *rewrite) restoreOrders(kept record) string {
	recorded := r.recorded(kept.orders)
	moved := func(dev *element) bool { return dev.name == "interface" && slices.Contains(devicesOf(recorded), dev) }
	was := r.orderBefore(recorded)
	left := devicesOf(was)
	if kept.boot != nil {
		was, left = r.bootDevices(*kept.boot), devicesOf(recorded)
	}
	order, exact := before(devicesOf(byOrder(r.ordered)), left, devicesOf(was), moved)
	if exact && kept.boot != nil {
		r.writeOrders(nil)
		return r.writeBoot(*kept.boot)
	}
	var want []orderedDevice
	for _, dev := range order {
		if i := slices.Index(devicesOf(was), dev); i >= 0 {
			want = append(want, was[i])
		} else {
			want = append(want, r.orderedDevice(dev))
		}
	}
	r.writeOrders(want)
	if len(want) == 0 {
		return bootDisk
	}
	return labels(want)
}

// orderBefore are the devices that had an order before a rewrite, those first that
// boot first.
func (r *rewrite) orderBefore(recorded []orderedDevice) []orderedDevice {
	all := slices.Clone(recorded)
	for _, d := range r.ordered {
		if !hasDevice(recorded, d.device) {
			all = append(all, d)
		}
	}
	return byOrder(slices.DeleteFunc(all, func(d orderedDevice) bool { return d.boot.Order == 0 }))
}

// bootDevices are the devices that <boot dev='…'/> stand for.
func (r *rewrite) bootDevices(boot []string) []orderedDevice {
	var devices []orderedDevice
	for _, name := range boot {
		dev := r.firstDisk(name)
		if name == bootNetwork && len(r.interfaces) > 0 {
			dev = r.interfaces[0].element
		}
		if dev != nil {
			devices = append(devices, r.orderedDevice(dev))
		}
	}
	return devices
}

// writeOrders gives these devices an order and no others.
func (r *rewrite) writeOrders(want []orderedDevice) {
	for _, d := range r.ordered {
		if !hasDevice(want, d.device) {
			r.edits.remove(d.element)
		}
	}
	boots := make([]libvirtxml.DomainDeviceBoot, len(want))
	for i, d := range want {
		boots[i] = d.boot
	}
	for i, order := range networkFirstOrder(0, boots) {
		value := strconv.FormatUint(uint64(order), 10)
		if d := want[i]; d.element != nil {
			r.edits.setAttribute(d.element.attribute("order"), value)
		} else {
			r.edits.insertOrder(d.device, value)
		}
	}
}

// recorded are the devices of records that are there still, each with the order
// that it had.
func (v *view) recorded(kept []orderRecord) []orderedDevice {
	found := v.doc.find(orderIDs(kept))
	var devices []orderedDevice
	for _, o := range kept {
		if dev := found[o.deviceID]; dev != nil {
			d := v.orderedDevice(dev)
			d.boot.Order = orderNumber(o.value)
			devices = append(devices, d)
		}
	}
	return devices
}

func orderIDs(kept []orderRecord) []deviceID {
	var ids []deviceID
	for _, o := range kept {
		ids = append(ids, o.deviceID)
	}
	return ids
}

func devicesOf(devices []orderedDevice) []*element {
	var elements []*element
	for _, d := range devices {
		elements = append(elements, d.device)
	}
	return elements
}
