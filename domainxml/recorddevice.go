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
		id.number = 1 + slices.Index(dev.parent.all(dev.name), dev)
	}
	return id
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
	for _, fits := range []func(id, dev deviceID) bool{sameDevice, sameName, sameNumber} {
		for _, id := range slices.Backward(ids) {
			if found[id] != nil {
				continue
			}
			for _, dev := range d.root.child("devices").all(id.kind) {
				if !taken[dev] && fits(id, d.deviceID(dev)) {
					found[id], taken[dev] = dev, true
					break
				}
			}
		}
	}
	return found
}

// device finds one device, nil when it is gone.
func (d *document) device(id deviceID) *element { return d.find([]deviceID{id})[id] }

func sameDevice(id, dev deviceID) bool {
	return id.number == dev.number && (id.name == "" || strings.EqualFold(id.name, dev.name))
}

func sameName(id, dev deviceID) bool { return id.name != "" && strings.EqualFold(id.name, dev.name) }

func sameNumber(id, dev deviceID) bool { return id.number == dev.number }
