package domainxml

import (
	"strconv"

	"libvirt.org/go/libvirtxml"
)

// view is the part of a domain that the rules read: libvirtxml's structs, each
// beside the element that it was read from. libvirtxml's own Unmarshal goes
// through reflection over the whole of libvirt's schema, which costs a program
// that runs once half a millisecond; the tests hold the two against each other.
type view struct {
	doc        *document
	os         libvirtxml.DomainOS
	osElement  *element
	boots      []*element // of os.BootDevices
	interfaces []nic
	ordered    []orderedDevice
}

type nic struct {
	libvirtxml.DomainInterface
	element *element
	label   string // the MAC address, or "#1" for the first
	bridge  string // its <source bridge='…'>
}

// orderedDevice is a device with a <boot order='…'/> of its own.
type orderedDevice struct {
	boot    libvirtxml.DomainDeviceBoot
	element *element // the <boot>
	device  *element
	label   string
}

func newView(doc *document) view {
	v := view{doc: doc, osElement: doc.root.child("os")}
	v.readOS()
	devices := doc.root.child("devices")
	for i, el := range devices.all("interface") {
		v.interfaces = append(v.interfaces, newNIC(doc, el, i+1))
	}
	if devices != nil {
		v.readOrder(devices.children)
	}
	return v
}

func (v *view) readOS() {
	el, doc := v.osElement, v.doc
	if el == nil {
		return
	}
	if t := el.child("type"); t != nil {
		v.os.Type = &libvirtxml.DomainOSType{
			Arch: doc.attr(t, "arch"), Machine: doc.attr(t, "machine"), Type: doc.text(t),
		}
	}
	v.os.Kernel = doc.text(el.child("kernel"))
	v.os.Initrd = doc.text(el.child("initrd"))
	v.os.Cmdline = doc.text(el.child("cmdline"))
	v.os.Shim = doc.text(el.child("shim"))
	v.boots = el.all("boot")
	for _, b := range v.boots {
		v.os.BootDevices = append(v.os.BootDevices, libvirtxml.DomainBootDevice{Dev: doc.attr(b, "dev")})
	}
}

func newNIC(doc *document, el *element, number int) nic {
	n := nic{element: el, label: "#" + strconv.Itoa(number), bridge: doc.attr(el.child("source"), "bridge")}
	if mac := doc.attr(el.child("mac"), "address"); mac != "" {
		n.MAC = &libvirtxml.DomainInterfaceMAC{Address: mac}
		n.label = mac
	}
	if ref := el.child("filterref"); ref != nil {
		n.FilterRef = &libvirtxml.DomainInterfaceFilterRef{Filter: doc.attr(ref, "filter")}
		for _, p := range ref.all("parameter") {
			n.FilterRef.Parameters = append(n.FilterRef.Parameters,
				libvirtxml.DomainInterfaceFilterParam{Name: doc.attr(p, "name"), Value: doc.attr(p, "value")})
		}
	}
	if rom := el.child("rom"); rom != nil {
		n.ROM = &libvirtxml.DomainROM{Bar: doc.attr(rom, "bar"), Enabled: doc.attr(rom, "enabled")}
	}
	return n
}

// readOrder reads the boot orders of the devices. What is no order, or a second
// one on the same device, is read as 0, which validOrder refuses as libvirt does.
func (v *view) readOrder(devices []*element) {
	count := map[string]int{}
	for _, dev := range devices {
		count[dev.name]++
		for i, boot := range dev.all("boot") {
			order, _ := strconv.ParseUint(v.doc.attr(boot, "order"), 10, 31)
			if i > 0 {
				order = 0
			}
			v.ordered = append(v.ordered, orderedDevice{
				boot:    libvirtxml.DomainDeviceBoot{Order: uint(order), LoadParm: v.doc.attr(boot, "loadparm")},
				element: boot,
				device:  dev,
				label:   v.label(dev, count[dev.name]),
			})
		}
	}
}

// label is what an operator calls a device.
func (v *view) label(dev *element, number int) string {
	if mac := v.doc.attr(dev.child("mac"), "address"); mac != "" {
		return mac
	}
	if target := v.doc.attr(dev.child("target"), "dev"); target != "" {
		return target
	}
	return dev.name + " #" + strconv.Itoa(number)
}
