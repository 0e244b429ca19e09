package domainxml

import (
	"slices"
	"strconv"
	"strings"
)

// deviceID finds a device again: by its name, which is an interface's MAC
// address or a disk's target, or by its number among those of its type.
type deviceID struct {
	kind   string // the element's name
	number int    // from 1
	name   string // "" when it had none yet
}

func (d *document) deviceID(dev *element) deviceID {
	id := deviceID{kind: dev.name, name: d.deviceName(dev)}
	if dev.parent != nil {
		id.number = d.number(dev)
	}
	return id
}

// number is an element's place among those of its name beside it, from 1. All of
// these are counted at once.
func (d *document) number(e *element) int {
	if _, counted := d.numbers[e]; !counted {
		if d.numbers == nil {
			d.numbers = map[*element]int{}
		}
		for i, same := range e.parent.all(e.name) {
			d.numbers[same] = i + 1
		}
	}
	return d.numbers[e]
}

// deviceName is what an operator calls a device, "" when it has no name.
func (d *document) deviceName(dev *element) string {
	if mac := d.attr(dev.child("mac"), "address"); mac != "" {
		return mac
	}
	if dev.name == "disk" {
		return d.attr(dev.child("target"), "dev")
	}
	return ""
}

func (id deviceID) label() string {
	if id.name != "" {
		return id.name
	}
	return id.kind + " #" + strconv.Itoa(id.number)
}

// find finds the devices of records again: by number and name, then by name, then
// by number alone those whose name nobody has any more, such as an interface that
// has got another MAC address or is a clone's. A device is found once, for the
// record that fits best and of those for the last; one that is gone is not found.
func (d *document) find(ids []deviceID) map[deviceID]*element {
	found, taken := map[deviceID]*element{}, map[*element]bool{}
	take := func(id deviceID, dev *element) {
		if dev != nil && found[id] == nil && !taken[dev] {
			found[id], taken[dev] = dev, true
		}
	}
	numbered, named := d.devices()
	for _, id := range slices.Backward(ids) {
		if dev := numbered[id.byNumber()]; dev != nil && (id.name == "" || strings.EqualFold(id.name, d.deviceName(dev))) {
			take(id, dev)
		}
	}
	for _, id := range slices.Backward(ids) {
		for _, dev := range named[id.byName()] {
			take(id, dev)
		}
	}
	for _, id := range slices.Backward(ids) {
		take(id, numbered[id.byNumber()])
	}
	return found
}

// devices are all devices, by their number and, those that have one, by their name.
func (d *document) devices() (numbered map[deviceID]*element, named map[deviceID][]*element) {
	numbered, named = map[deviceID]*element{}, map[deviceID][]*element{}
	devices := d.root.child("devices")
	if devices == nil {
		return numbered, named
	}
	for _, dev := range devices.children {
		if dev.foreign {
			continue
		}
		id := d.deviceID(dev)
		numbered[id.byNumber()] = dev
		if id.name != "" {
			named[id.byName()] = append(named[id.byName()], dev)
		}
	}
	return numbered, named
}

func (id deviceID) byNumber() deviceID { return deviceID{kind: id.kind, number: id.number} }

// byName leaves the case of a MAC address out of account.
func (id deviceID) byName() deviceID { return deviceID{kind: id.kind, name: strings.ToLower(id.name)} }

// device finds one device, nil when it is gone.
func (d *document) device(id deviceID) *element { return d.find([]deviceID{id})[id] }
