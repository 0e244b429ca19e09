package domainxml

import (
	"strconv"
	"strings"

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
	boots      []*element // of os.BootDevices, as many as libvirt reads
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
	v.boots = v.boots[:min(len(v.boots), maxBoots)]
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
		if rom.attribute("file") != nil {
			file := doc.attr(rom, "file")
			n.ROM.File = &file
		}
	}
	return n
}

// readOrder reads the boot orders of the devices, of each the first as libvirt
// does (virDomainDeviceInfoParseXML in src/conf/domain_conf.c).
func (v *view) readOrder(devices []*element) {
	count := map[string]int{}
	for _, dev := range devices {
		if !dev.ordered() {
			continue
		}
		count[dev.name]++
		boot := dev.child("boot")
		if boot == nil {
			continue
		}
		v.ordered = append(v.ordered, orderedDevice{
			boot:    libvirtxml.DomainDeviceBoot{Order: orderNumber(v.doc.attr(boot, "order")), LoadParm: v.doc.attr(boot, "loadparm")},
			element: boot,
			device:  dev,
			label:   v.label(dev, count[dev.name]),
		})
	}
}

// ordered reports whether libvirt reads a boot order in such a device. In any
// other it means nothing (VIR_DOMAIN_DEF_PARSE_ALLOW_BOOT in
// src/conf/domain_conf.c).
func (e *element) ordered() bool {
	switch e.name {
	case "disk", "filesystem", "interface", "hostdev", "redirdev":
		return !e.foreign
	}
	return false
}

// orderNumber is a boot order as libvirt reads it (virXMLPropUInt in
// src/util/virxml.c, so strtoul), 0 for what it refuses.
func orderNumber(s string) uint {
	s = strings.TrimPrefix(strings.TrimLeft(s, " \t\r\n"), "+")
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return uint(n)
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
