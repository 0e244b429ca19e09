package domainxml

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"libvirt.org/go/libvirtxml"
)

// networkFirstOrder is the boot rule for <boot order='…'/> on devices: given the devices
// from the first to boot to the last, with the interfaces that try the network in front,
// it returns their new numbers. The first of those interfaces, as many as are in front
// already, keep theirs. The other ones get the numbers behind, and all other devices move
// back by as many.
func networkFirstOrder(interfaces, already int, devices []libvirtxml.DomainDeviceBoot) []uint {
	orders := make([]uint, len(devices))
	last := uint(0)
	for i, d := range devices {
		last++
		switch {
		case i < already:
			last = d.Order
		case i >= interfaces && d.Order > 0:
			last = d.Order + uint(interfaces-already)
		}
		orders[i] = last
	}
	return orders
}

// editBootOrder moves the chosen interfaces to the front of the devices that have a boot
// order: first those that have one, in their order.
func (r *rewrite) editBootOrder(chosen []nic) {
	is := byOrder(r.ordered)
	inFront := map[*element]bool{}
	for _, n := range chosen {
		inFront[n.element] = true
	}
	want := slices.DeleteFunc(slices.Clone(is), func(d orderedDevice) bool { return !inFront[d.device] })
	for _, n := range chosen {
		if _, ordered := r.orders[n.element]; !ordered {
			want = append(want, r.orderedDevice(n.element))
		}
	}
	for _, d := range is {
		if !inFront[d.device] {
			want = append(want, d)
		}
	}
	already := 0
	for already < len(is) && is[already].device == want[already].device {
		already++
	}
	if already >= len(chosen) {
		return
	}
	r.writeOrder(len(chosen), already, want)
	r.bootsNow(labels(want), r.deviceKind(want[0].device))
	r.changed(chosen[0].element.Start, Change{Kind: ChangeBootOrder, From: labels(is), To: labels(want)})
}

// replaceBoot writes <boot order='…'/> on devices where <boot dev='…'/> does not
// suffice: the chosen interfaces first, then the devices that libvirt would have tried
// (qemuProcessPrepareDeviceBootorder in src/qemu/qemu_process.c).
func (r *rewrite) replaceBoot(chosen []nic) {
	boot := r.os.BootDevices
	if len(boot) == 0 {
		boot = []libvirtxml.DomainBootDevice{{Dev: bootDisk}}
	}
	var want []orderedDevice
	for _, n := range chosen {
		want = append(want, r.orderedDevice(n.element))
	}
	for _, b := range effectiveBoot(boot) {
		if dev := r.firstDisk(b.Dev); dev != nil {
			want = append(want, r.orderedDevice(dev))
		}
	}
	r.record(undoItem{thing: undoBoot})
	for _, el := range r.osElement.All("boot") {
		r.edits.Remove(el)
	}
	r.writeOrder(len(chosen), 0, want)
	r.bootsNow(labels(want), r.deviceKind(want[0].device))
	r.changed(r.osElement.Start, Change{Kind: ChangeBootOrder, From: names(boot), To: labels(want)})
}

// effectiveBoot is what libvirt makes of <boot dev='…'/>: of a kind that is there
// twice the second one counts.
func effectiveBoot(boot []libvirtxml.DomainBootDevice) []libvirtxml.DomainBootDevice {
	var effective []libvirtxml.DomainBootDevice
	for i, b := range boot {
		if !slices.Contains(boot[i+1:], b) {
			effective = append(effective, b)
		}
	}
	return effective
}

// firstDisk is the disk that <boot dev='…'/> means; nil without one.
func (v *view) firstDisk(boot string) *element {
	kinds := map[string][]string{bootDisk: {"", "disk", "lun"}, "cdrom": {"cdrom"}, "fd": {"floppy"}}
	for _, disk := range v.doc.disks() {
		if slices.Contains(kinds[boot], v.doc.Attr(disk, "device")) {
			return disk
		}
	}
	return nil
}

// orderedDevice is a device with its boot order, if it has one.
func (v *view) orderedDevice(dev *element) orderedDevice {
	if d, ordered := v.orders[dev]; ordered {
		return d
	}
	return orderedDevice{device: dev, label: v.label(dev, v.doc.position(dev))}
}

// writeOrder writes the devices' new numbers; see networkFirstOrder.
func (r *rewrite) writeOrder(interfaces, already int, devices []orderedDevice) {
	boots := make([]libvirtxml.DomainDeviceBoot, len(devices))
	for i, d := range devices {
		boots[i] = d.boot
	}
	for i, order := range networkFirstOrder(interfaces, already, boots) {
		d := devices[i]
		if d.element != nil && d.boot.Order == order {
			continue
		}
		r.record(r.ofDevice(undoOrder, d.device, orderPieces(order)))
		value := strconv.FormatUint(uint64(order), 10)
		if d.element == nil {
			insertOrder(r.edits, d.device, value)
		} else {
			r.edits.SetAttribute(d.element.Attribute("order"), value)
		}
	}
}

func insertOrder(e *edits, dev *element, value string) {
	quote := e.Quote(dev)
	e.AppendChild(dev, "<boot order="+quote+value+quote+"/>")
}

// validOrder reports whether libvirt accepts the orders: from 1, none twice. A domain
// with others stays as it is, for libvirt to refuse.
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
	slices.SortStableFunc(sorted, func(a, b orderedDevice) int { return cmp.Compare(a.boot.Order, b.boot.Order) })
	return sorted
}

func labels(devices []orderedDevice) string {
	var s []string
	for _, d := range devices {
		s = append(s, d.label)
	}
	return strings.Join(s, ", ")
}
