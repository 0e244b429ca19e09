package domainxml

import (
	"slices"
	"strconv"
	"strings"

	"libvirt.org/go/libvirtxml"
)

// networkFirstOrder is the boot rule for <boot order='…'/> on devices: given
// the devices that have one, from the first to boot to the last, with the
// interface in front, it returns their new numbers. The interface gets 1; the
// others keep their order and, where it is free, their number.
func networkFirstOrder(devices []libvirtxml.DomainDeviceBoot) []uint {
	orders := make([]uint, len(devices))
	last := uint(0)
	for i, d := range devices {
		last++
		if i > 0 && d.Order > last {
			last = d.Order
		}
		orders[i] = last
	}
	return orders
}

// editBootOrder moves the interface to the front of the devices. An interface
// that is among them already is the one that the domain wants to boot from;
// otherwise it is the first, as with <boot dev='network'/>.
func (r *rewrite) editBootOrder() {
	devices := byOrder(r.ordered)
	if devices[0].device.name == "interface" || len(r.interfaces) == 0 {
		return
	}
	from := labels(devices)
	at := slices.IndexFunc(devices, func(d orderedDevice) bool { return d.device.name == "interface" })
	boot := orderedDevice{device: r.interfaces[0].element, label: r.label(r.interfaces[0].element, 1)}
	if at >= 0 {
		boot = devices[at]
		devices = slices.Delete(devices, at, at+1)
	}
	devices = slices.Insert(devices, 0, boot)
	r.writeOrder(devices)
	r.changed(boot.device.start, Change{Kind: ChangeBootOrder, From: from, To: labels(devices)})
}

func (r *rewrite) writeOrder(devices []orderedDevice) {
	boots := make([]libvirtxml.DomainDeviceBoot, len(devices))
	for i, d := range devices {
		boots[i] = d.boot
	}
	for i, order := range networkFirstOrder(boots) {
		value := strconv.FormatUint(uint64(order), 10)
		switch d := devices[i]; {
		case d.element == nil:
			r.taken.orders = append(r.taken.orders, orderRecord{r.doc.deviceID(d.device), ""})
			quote := r.edits.quote(d.device)
			r.edits.appendChild(d.device, "<boot order="+quote+value+quote+"/>")
		case d.boot.Order != order:
			r.taken.orders = append(r.taken.orders, orderRecord{r.doc.deviceID(d.device), r.doc.attr(d.element, "order")})
			r.edits.setAttribute(d.element.attribute("order"), value)
		}
	}
}

// validOrder reports whether libvirt takes the orders: from 1, none twice. What
// it refuses is left for it to refuse.
func validOrder(devices []orderedDevice) bool {
	last := uint(0)
	for _, d := range byOrder(devices) {
		if d.boot.Order <= last {
			return false
		}
		last = d.boot.Order
	}
	return true
}

func byOrder(devices []orderedDevice) []orderedDevice {
	sorted := slices.Clone(devices)
	slices.SortStableFunc(sorted, func(a, b orderedDevice) int { return int(a.boot.Order) - int(b.boot.Order) })
	return sorted
}

func labels(devices []orderedDevice) string {
	var s []string
	for _, d := range devices {
		s = append(s, d.label)
	}
	return strings.Join(s, ", ")
}
