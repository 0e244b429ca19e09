package domainxml_test

import (
	"fmt"
	"regexp"
	"slices"

	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// applyTyped is a second implementation of the rules, on libvirtxml's structs as
// Unmarshal fills them and without any of the code under test.
func applyTyped(d *libvirtxml.Domain, rule domainxml.Rule) {
	if d.Devices != nil {
		for i := range d.Devices.Interfaces {
			applyTypedFilterref(&d.Devices.Interfaces[i], rule.Filterref)
		}
	}
	if d.OS == nil || d.OS.Type == nil || d.OS.Type.Type != "hvm" {
		return
	}
	if d.OS.Kernel != "" {
		if rule.Kernel != domainxml.KernelDrop {
			return
		}
		d.OS.Kernel, d.OS.Initrd, d.OS.Cmdline, d.OS.Shim = "", "", "", ""
	}
	if rule.Boot != domainxml.BootKeep {
		applyTypedBoot(d, rule)
	}
}

func applyTypedFilterref(n *libvirtxml.DomainInterface, rule domainxml.Filterref) {
	switch {
	case n.FilterRef == nil:
	case rule.Action == domainxml.FilterrefRemove:
		n.FilterRef = nil
	case rule.Action == domainxml.FilterrefReplace:
		n.FilterRef.Filter = rule.Filter
	}
}

func applyTypedBoot(d *libvirtxml.Domain, rule domainxml.Rule) {
	orders := typedOrders(d.Devices)
	var nics []libvirtxml.DomainInterface
	if d.Devices != nil {
		nics = d.Devices.Interfaces
	}
	first := max(0, slices.IndexFunc(nics, typedCanBoot))
	switch {
	case len(orders) > 0 && len(d.OS.BootDevices) > 0:
		return // libvirt refuses the domain
	case rule.BootNIC.All && len(nics) > 1:
		applyTypedAll(d, orders, nics)
	case len(orders) > 0:
		applyTypedOrder(d.Devices, orders)
	case first > 0:
		applyTypedAll(d, orders, nics[first:first+1])
	case len(d.OS.BootDevices) == 0:
		d.OS.BootDevices = []libvirtxml.DomainBootDevice{{Dev: "network"}, {Dev: "hd"}}
	default:
		others := slices.DeleteFunc(slices.Clone(d.OS.BootDevices), func(b libvirtxml.DomainBootDevice) bool {
			return b.Dev == "network"
		})
		d.OS.BootDevices = append([]libvirtxml.DomainBootDevice{{Dev: "network"}}, others...)
	}
}

func applyTypedOrder(l *libvirtxml.DomainDeviceList, orders []**libvirtxml.DomainDeviceBoot) {
	if !typedOrdersValid(orders) || len(l.Interfaces) == 0 {
		return
	}
	front := &l.Interfaces[max(0, slices.IndexFunc(l.Interfaces, typedCanBoot))].Boot
	for _, o := range orders {
		if slices.ContainsFunc(l.Interfaces, func(n libvirtxml.DomainInterface) bool { return n.Boot == *o && typedCanBoot(n) }) {
			front = o
			break
		}
	}
	if front == orders[0] || *front == *orders[0] {
		return
	}
	for _, o := range orders {
		(*o).Order++
	}
	if *front == nil {
		*front = &libvirtxml.DomainDeviceBoot{}
	}
	(*front).Order = 1
}

func typedOrders(l *libvirtxml.DomainDeviceList) []**libvirtxml.DomainDeviceBoot {
	if l == nil {
		return nil
	}
	var orders []**libvirtxml.DomainDeviceBoot
	add := func(b **libvirtxml.DomainDeviceBoot) {
		if *b != nil {
			orders = append(orders, b)
		}
	}
	for i := range l.Disks {
		add(&l.Disks[i].Boot)
	}
	for i := range l.Filesystems {
		add(&l.Filesystems[i].Boot)
	}
	for i := range l.Interfaces {
		add(&l.Interfaces[i].Boot)
	}
	for i := range l.Hostdevs {
		add(&l.Hostdevs[i].Boot)
	}
	for i := range l.RedirDevs {
		add(&l.RedirDevs[i].Boot)
	}
	return orders
}

// typedOrdersValid sorts the orders; libvirt refuses a domain where one is 0 or
// there twice.
func typedOrdersValid(orders []**libvirtxml.DomainDeviceBoot) bool {
	slices.SortFunc(orders, func(a, b **libvirtxml.DomainDeviceBoot) int { return int((*a).Order) - int((*b).Order) })
	for i, o := range orders {
		if (*o).Order == 0 || i > 0 && (*o).Order == (*orders[i-1]).Order {
			return false
		}
	}
	return true
}

// typedCanBoot reports whether an interface has an option ROM.
func typedCanBoot(n libvirtxml.DomainInterface) bool {
	file := n.ROM != nil && n.ROM.File != nil
	switch {
	case n.ROM != nil && (n.ROM.Bar == "off" || n.ROM.Enabled == "no" || file && *n.ROM.File == ""):
		return false
	case n.Source != nil && n.Source.VDPA != nil:
		return false
	case n.Source != nil && n.Source.Hostdev != nil:
		return file
	}
	return true
}

// applyTypedAll numbers those interfaces, then what has an order or is the first
// disk of its kind for <boot dev='…'/>.
func applyTypedAll(d *libvirtxml.Domain, orders []**libvirtxml.DomainDeviceBoot, front []libvirtxml.DomainInterface) {
	if !typedOrdersValid(orders) {
		return
	}
	next := uint(1)
	number := func(b **libvirtxml.DomainDeviceBoot, atLeast uint) {
		if *b == nil {
			*b = &libvirtxml.DomainDeviceBoot{}
		}
		(*b).Order = max(next, atLeast)
		next = (*b).Order + 1
	}
	rest := slices.DeleteFunc(slices.Clone(orders), func(o **libvirtxml.DomainDeviceBoot) bool {
		return slices.ContainsFunc(d.Devices.Interfaces, func(n libvirtxml.DomainInterface) bool { return n.Boot == *o })
	})
	for i := range front {
		number(&front[i].Boot, 0)
	}
	for _, o := range rest {
		number(o, (*o).Order)
	}
	if len(orders) > 0 {
		return
	}
	disks := typedDisks(d.Devices.Disks)
	for i, b := range boots(d.OS.BootDevices) {
		if slices.Contains(boots(d.OS.BootDevices)[i+1:], b) {
			continue // libvirt takes the last
		}
		first := slices.IndexFunc(disks, func(disk *libvirtxml.DomainDisk) bool {
			switch b.Dev {
			case "hd":
				return disk.Device == "" || disk.Device == "disk" || disk.Device == "lun"
			case "fd":
				return disk.Device == "floppy"
			}
			return disk.Device == b.Dev
		})
		if first >= 0 {
			number(&disks[first].Boot, 0)
		}
	}
	d.OS.BootDevices = nil
}

// boots are the boot devices that libvirt reads: four, and the disk without any.
func boots(devices []libvirtxml.DomainBootDevice) []libvirtxml.DomainBootDevice {
	if len(devices) == 0 {
		return []libvirtxml.DomainBootDevice{{Dev: "hd"}}
	}
	return devices[:min(len(devices), 4)]
}

// typedDisks puts one disk after the other where libvirt does: in front of the
// first of its bus with a later name, otherwise behind the last of its bus.
func typedDisks(disks []libvirtxml.DomainDisk) []*libvirtxml.DomainDisk {
	var sorted []*libvirtxml.DomainDisk
	for i := range disks {
		at := -1
		newBus, newName := typedTarget(&disks[i])
		for j := len(sorted) - 1; j >= 0; j-- {
			switch bus, name := typedTarget(sorted[j]); {
			case bus != newBus:
			case name > newName:
				at = j
			case at < 0:
				at = j + 1
			}
		}
		if at < 0 {
			at = len(sorted)
		}
		sorted = slices.Insert(sorted, at, &disks[i])
	}
	return sorted
}

// typedTarget is a disk's bus, and the letters of its name in a form that sorts
// as libvirt counts: z before aa, and any other name first.
func typedTarget(disk *libvirtxml.DomainDisk) (bus, name string) {
	if disk.Target == nil {
		return "", ""
	}
	if m := regexp.MustCompile(`^(?:fd|hd|vd|sd|xvd|ubd)([a-z]+)[0-9]*$`).FindStringSubmatch(disk.Target.Dev); m != nil {
		name = fmt.Sprintf("%20s", m[1])
	}
	return disk.Target.Bus, name
}
