package domainxml

import (
	"cmp"
	"strconv"
	"strings"
)

// deviceID identifies a device: an interface by its MAC address, a disk by its bus and
// target, a filesystem by its target, a device of the host by its address there.
type deviceID struct {
	kind     string // the element's name
	bus      string // of a disk, "" where the document does not say
	name     string // "" where the device has none, or none yet
	position int    // from 1, among those of its kind; identifies it in a clone, or without a name
}

// key is the same for a MAC address in capitals.
func (id deviceID) key() deviceID {
	if id.name == "" {
		return id
	}
	return deviceID{kind: id.kind, name: strings.ToLower(id.name)}
}

func (id deviceID) label() string {
	if id.name != "" {
		return id.name
	}
	return id.kind + " #" + strconv.Itoa(id.position)
}

func (d *tree) deviceID(dev *element) deviceID {
	id := deviceID{kind: dev.Name, name: d.deviceName(dev)}
	if dev.Name == "disk" {
		id.bus = d.Attr(dev.Child("target"), "bus")
	}
	if dev.Parent != nil {
		id.position = d.position(dev)
	}
	return id
}

func (d *tree) deviceName(dev *element) string {
	switch dev.Name {
	case "interface":
		return d.Attr(dev.Child("mac"), "address")
	case "disk":
		return d.Attr(dev.Child("target"), "dev")
	case "filesystem":
		return d.Attr(dev.Child("target"), "dir")
	case "hostdev":
		return d.hostAddress(dev.Child("source").Child("address"))
	}
	return ""
}

// hostAddress is the address of a device of the host: its numbers joined by colons, on
// any bus.
func (d *tree) hostAddress(address *element) string {
	if address == nil {
		return ""
	}
	var parts []string
	for _, name := range []string{"domain", "bus", "slot", "function", "device", "uuid"} {
		if value := d.Attr(address, name); value != "" {
			parts = append(parts, strings.TrimPrefix(value, "0x"))
		}
	}
	return strings.Join(parts, ":")
}

// locate finds the devices of items by their names, or by their positions in a clone
// and where they had no name. Those that it finds by position get their present names in
// the items; it reports whether there were any.
func (d *Document) locate(items []undoItem, clone bool) (named bool) {
	if len(items) == 0 {
		return false
	}
	devices := d.doc.devices()
	for n := range items {
		i := &items[n]
		if !i.thing.ofDevice() {
			continue
		}
		if !clone && i.device.name != "" {
			i.element = devices.named(d.doc, i.device)
			continue
		}
		i.element = devices[deviceID{kind: i.device.kind, position: i.device.position}]
		if i.element == nil {
			continue
		}
		if now := d.doc.deviceID(i.element); now != i.device {
			i.device, named = now, true
		}
	}
	return named
}

// devices are a domain's devices by position, by name (the first of that name), and by
// both.
type devices map[deviceID]*element

func (d *tree) devices() devices {
	all := devices{}
	parent := d.Root.Child("devices")
	if parent == nil {
		return all
	}
	for _, dev := range parent.Children {
		if dev.Foreign {
			continue
		}
		id := d.deviceID(dev)
		all[deviceID{kind: id.kind, position: id.position}] = dev
		if id.name == "" {
			continue
		}
		byName := id.key()
		if all[byName] == nil {
			all[byName] = dev
		}
		byName.position = id.position
		all[byName] = dev
	}
	return all
}

// named is the device of that name. Of several it is the one at the position in the
// record. A disk on another bus is another disk.
func (all devices) named(d *tree, id deviceID) *element {
	byName := id.key()
	byName.position = id.position
	dev := all[byName]
	if dev == nil {
		dev = all[id.key()]
	}
	if dev == nil {
		return nil
	}
	if bus := d.deviceID(dev).bus; cmp.Or(bus, id.bus) != cmp.Or(id.bus, bus) {
		return nil
	}
	return dev
}
