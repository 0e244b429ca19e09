package domainxml_test

import (
	"slices"

	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// applyTyped is the rules of the design said once more, on libvirtxml's structs
// as Unmarshal fills them and without any of the code under test.
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
	switch {
	case len(orders) > 0 && len(d.OS.BootDevices) > 0:
		return // libvirt refuses the domain
	case rule.BootNIC.All && d.Devices != nil && len(d.Devices.Interfaces) > 0 &&
		(len(orders) > 0 || len(d.Devices.Interfaces) > 1):
		applyTypedAll(d, orders)
	case len(orders) > 0:
		applyTypedOrder(d.Devices, orders)
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
	front := &l.Interfaces[0].Boot
	for _, o := range orders {
		if slices.ContainsFunc(l.Interfaces, func(n libvirtxml.DomainInterface) bool { return n.Boot == *o }) {
			front = o
			break
		}
	}
	if front == orders[0] || *front == *orders[0] {
		return
	}
	next := uint(2)
	for _, o := range orders {
		if *o == *front {
			continue
		}
		(*o).Order = max((*o).Order, next)
		next = (*o).Order + 1
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

// applyTypedAll numbers all interfaces, then what has an order or is the first
// disk of its kind for <boot dev='…'/>.
func applyTypedAll(d *libvirtxml.Domain, orders []**libvirtxml.DomainDeviceBoot) {
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
	for i := range d.Devices.Interfaces {
		number(&d.Devices.Interfaces[i].Boot, 0)
	}
	for _, o := range rest {
		number(o, (*o).Order)
	}
	if len(orders) > 0 {
		return
	}
	boots := d.OS.BootDevices
	if len(boots) == 0 {
		boots = []libvirtxml.DomainBootDevice{{Dev: "hd"}}
	}
	for _, b := range boots {
		i := slices.IndexFunc(d.Devices.Disks, func(disk libvirtxml.DomainDisk) bool {
			switch b.Dev {
			case "hd":
				return disk.Device == "" || disk.Device == "disk" || disk.Device == "lun"
			case "fd":
				return disk.Device == "floppy"
			}
			return disk.Device == b.Dev
		})
		if i >= 0 && d.Devices.Disks[i].Boot == nil {
			number(&d.Devices.Disks[i].Boot, 0)
		}
	}
	d.OS.BootDevices = nil
}
