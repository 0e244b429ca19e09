package domainxml

import (
	"strconv"
	"strings"

	"libvirt.org/go/libvirtxml"
)

// view is the part of a domain that the rules read: libvirtxml's structs, each beside
// its element. libvirtxml's own Unmarshal reflects over the whole of libvirt's schema,
// which costs a program that runs once half a millisecond; the tests compare the two.
type view struct {
	doc        *tree
	os         libvirtxml.DomainOS
	osElement  *element
	boots      []*element // of os.BootDevices, as many as libvirt reads
	interfaces []nic
	ordered    []orderedDevice
	orders     map[*element]orderedDevice // the same, by device
}

type nic struct {
	*libvirtxml.DomainInterface
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

func newView(doc *tree) view {
	v := view{doc: doc, osElement: doc.Root.Child("os")}
	v.readOS()
	devices := doc.Root.Child("devices")
	interfaces := devices.All("interface")
	v.interfaces = make([]nic, 0, len(interfaces))
	for i, el := range interfaces {
		v.interfaces = append(v.interfaces, newNIC(doc, el, i+1))
	}
	if devices != nil {
		v.readOrder(devices.Children)
	}
	return v
}

func (v *view) readOS() {
	el, doc := v.osElement, v.doc
	if el == nil {
		return
	}
	if t := el.Child("type"); t != nil {
		v.os.Type = &libvirtxml.DomainOSType{
			Arch: doc.Attr(t, "arch"), Machine: doc.Attr(t, "machine"), Type: doc.Text(t),
		}
	}
	v.os.Kernel = doc.Text(el.Child("kernel"))
	v.os.Initrd = doc.Text(el.Child("initrd"))
	v.os.Cmdline = doc.Text(el.Child("cmdline"))
	v.os.Shim = doc.Text(el.Child("shim"))
	v.boots = el.All("boot")
	v.boots = v.boots[:min(len(v.boots), maxBoots)]
	for _, b := range v.boots {
		v.os.BootDevices = append(v.os.BootDevices, libvirtxml.DomainBootDevice{Dev: doc.Attr(b, "dev")})
	}
}

func newNIC(doc *tree, el *element, number int) nic {
	n := nic{DomainInterface: &libvirtxml.DomainInterface{}, element: el, label: "#" + strconv.Itoa(number), bridge: doc.Attr(el.Child("source"), "bridge")}
	if mac := doc.Attr(el.Child("mac"), "address"); mac != "" {
		n.MAC = &libvirtxml.DomainInterfaceMAC{Address: mac}
		n.label = mac
	}
	if ref := el.Child("filterref"); ref != nil {
		n.FilterRef = &libvirtxml.DomainInterfaceFilterRef{Filter: doc.Attr(ref, "filter")}
		n.FilterRef.Parameters = filterParameters(doc, ref)
	}
	if rom := el.Child("rom"); rom != nil {
		n.ROM = &libvirtxml.DomainROM{Bar: doc.Attr(rom, "bar"), Enabled: doc.Attr(rom, "enabled")}
		if rom.Attribute("file") != nil {
			file := doc.Attr(rom, "file")
			n.ROM.File = &file
		}
	}
	return n
}

func filterParameters(doc *tree, ref *element) []libvirtxml.DomainInterfaceFilterParam {
	var params []libvirtxml.DomainInterfaceFilterParam
	for _, p := range ref.Children {
		if p.Local() != "parameter" { // libvirt looks at no namespace there
			continue
		}
		params = append(params, libvirtxml.DomainInterfaceFilterParam{Name: doc.Attr(p, "name"), Value: doc.Attr(p, "value")})
	}
	return params
}

// readOrder reads the devices' boot orders, the first of each device as libvirt does
// (virDomainDeviceInfoParseXML in src/conf/domain_conf.c).
func (v *view) readOrder(devices []*element) {
	count := map[string]int{}
	v.orders = map[*element]orderedDevice{}
	for _, dev := range devices {
		if !mayBoot(dev) {
			continue
		}
		count[dev.Name]++
		boot := dev.Child("boot")
		if boot == nil {
			continue
		}
		d := orderedDevice{
			boot:    libvirtxml.DomainDeviceBoot{Order: orderNumber(v.doc.Attr(boot, "order")), LoadParm: v.doc.Attr(boot, "loadparm")},
			element: boot,
			device:  dev,
			label:   v.label(dev, count[dev.Name]),
		}
		v.ordered, v.orders[dev] = append(v.ordered, d), d
	}
}

// mayBoot reports whether libvirt reads a boot order in such a device; it ignores those
// of others (VIR_DOMAIN_DEF_PARSE_ALLOW_BOOT in src/conf/domain_conf.c).
func mayBoot(e *element) bool {
	switch e.Name {
	case "disk", "filesystem", "interface", "hostdev", "redirdev":
		return !e.Foreign
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

// label is a device's name for an operator.
func (v *view) label(dev *element, number int) string {
	if mac := v.doc.Attr(dev.Child("mac"), "address"); mac != "" {
		return mac
	}
	if target := v.doc.Attr(dev.Child("target"), "dev"); target != "" {
		return target
	}
	if dev.Name == "hostdev" && v.doc.Attr(dev, "type") == "pci" {
		return pciAddress(v.doc, dev.Child("source").Child("address"))
	}
	return dev.Name + " #" + strconv.Itoa(number)
}
