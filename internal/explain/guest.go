package explain

import (
	"cmp"
	"slices"

	"libvirt.org/go/libvirtxml"
)

// Guest is what a domain's document says of its boot.
type Guest struct {
	// BootOrder has a boot device of <os> or a device each, as in "network", "hd" and
	// "interface fa:16:3e:50:43:cd", "disk vda". It is empty where the document names
	// none.
	BootOrder []string `json:"boot_order"`
	// Firmware is "UEFI" or "BIOS", or "other" where another architecture than x86 has one of its
	// own, which libvirt does not name.
	Firmware string `json:"firmware"`
	// RNG: it has a random number generator, which a UEFI firmware may need to ask for an
	// address.
	RNG bool `json:"rng"`
}

// guestOf is what a document says, nil where there is none or libvirtxml cannot read it.
func guestOf(doc []byte) *Guest {
	var d libvirtxml.Domain
	if doc == nil || d.Unmarshal(string(doc)) != nil {
		return nil
	}
	return &Guest{
		BootOrder: bootOrder(d),
		Firmware:  firmware(d.OS),
		RNG:       d.Devices != nil && len(d.Devices.RNGs) > 0,
	}
}

func bootOrder(d libvirtxml.Domain) []string {
	order := []string{}
	if d.OS != nil {
		for _, b := range d.OS.BootDevices {
			order = append(order, b.Dev)
		}
	}
	for _, dev := range orderedDevices(d) {
		order = append(order, dev.name)
	}
	return order
}

// triedInterfaces are the places, from 0, of the interfaces that the guest tries before
// anything else. Of <boot dev='network'/> libvirt makes the first one.
func triedInterfaces(d libvirtxml.Domain) []int {
	ordered := orderedDevices(d)
	if len(ordered) == 0 {
		if d.OS != nil && len(d.OS.BootDevices) > 0 && d.OS.BootDevices[0].Dev == "network" {
			return []int{0}
		}
		return nil
	}
	var tried []int
	for _, dev := range ordered {
		if dev.nic < 0 {
			break
		}
		tried = append(tried, dev.nic)
	}
	return tried
}

// orderedDevice is a device with <boot order='…'/>.
type orderedDevice struct {
	order uint
	name  string
	nic   int // its place among the interfaces, or -1
}

// orderedDevices are those that have a boot order of their own, in that order.
func orderedDevices(d libvirtxml.Domain) []orderedDevice {
	if d.Devices == nil {
		return nil
	}
	var devices []orderedDevice
	add := func(b *libvirtxml.DomainDeviceBoot, name string, nic int) {
		if b != nil {
			devices = append(devices, orderedDevice{b.Order, name, nic})
		}
	}
	for _, disk := range d.Devices.Disks {
		name := cmp.Or(disk.Device, "disk")
		if disk.Target != nil {
			name += " " + disk.Target.Dev
		}
		add(disk.Boot, name, -1)
	}
	for n, nic := range d.Devices.Interfaces {
		name := "interface"
		if nic.MAC != nil {
			name += " " + nic.MAC.Address
		}
		add(nic.Boot, name, n)
	}
	for _, dev := range d.Devices.Hostdevs {
		add(dev.Boot, "hostdev", -1)
	}
	slices.SortStableFunc(devices, func(a, b orderedDevice) int { return cmp.Compare(a.order, b.order) })
	return devices
}

func firmware(os *libvirtxml.DomainOS) string {
	switch {
	case os == nil:
		return ""
	case os.Firmware == "efi", os.Loader != nil && os.Loader.Type == "pflash":
		return "UEFI"
	case os.Type != nil && !slices.Contains([]string{"", "x86_64", "i686"}, os.Type.Arch):
		return "other"
	}
	return "BIOS"
}

// optionROM is where an interface's option ROM comes from: "default" (QEMU's own), a file, or
// "off".
func optionROM(rom *libvirtxml.DomainROM) string {
	switch {
	case rom == nil:
		return "default"
	case rom.Enabled == "no", rom.Bar == "off":
		return "off"
	case rom.File != nil && *rom.File != "":
		return *rom.File
	}
	return "default"
}
