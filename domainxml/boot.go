package domainxml

import (
	"slices"
	"strings"

	"libvirt.org/go/libvirtxml"
)

// The boot devices of <os><boot dev='…'/> that the rules name.
const (
	bootNetwork = "network"
	bootDisk    = "hd"
)

// maxBoots is how many <boot dev='…'/> libvirt reads, as many as there are kinds
// (virDomainDefParseBootXML in src/conf/domain_conf.c).
const maxBoots = 4

// networkFirst is the boot rule for <os><boot dev='…'/>: the network in front, once,
// and then what was there, as many as libvirt reads. Without any, libvirt boots from the disk
// (virDomainDefBootOrderPostParse in src/conf/domain_postparse.c).
//
// Where the network is there twice the second one counts for libvirt
// (qemuProcessPrepareDeviceBootorder in src/qemu/qemu_process.c).
func networkFirst(devices []libvirtxml.DomainBootDevice) []libvirtxml.DomainBootDevice {
	if len(devices) == 0 {
		return []libvirtxml.DomainBootDevice{{Dev: bootNetwork}, {Dev: bootDisk}}
	}
	first := []libvirtxml.DomainBootDevice{{Dev: bootNetwork}}
	for _, d := range devices {
		if d.Dev != bootNetwork {
			first = append(first, d)
		}
	}
	return first[:min(len(first), maxBoots)]
}

// editBoot writes the wanted boot devices into the elements that are there, so
// that comments and white space between them stay.
func (r *rewrite) editBoot() {
	want := networkFirst(r.os.BootDevices)
	if slices.Equal(want, r.os.BootDevices) {
		return
	}
	r.record(undoItem{thing: undoBoot, wrote: bootPieces(bootNames(want))})
	change := Change{Kind: ChangeBootOrder, From: names(r.os.BootDevices), To: names(want)}
	r.bootsNow(change.To, BootsFromNetwork)
	if len(r.boots) == 0 {
		change.From = bootDisk
		osType := r.osElement.Child("type")
		quote := r.edits.Quote(osType)
		r.edits.InsertAfter(osType, bootElement(bootNetwork, quote), bootElement(bootDisk, quote))
		r.changed(osType.Start, change)
		return
	}
	r.changed(r.boots[0].Start, change)
	for _, unread := range r.osElement.All("boot")[len(r.boots):] {
		r.edits.Remove(unread)
	}
	missing := len(want) - len(r.boots)
	if missing > 0 {
		r.edits.InsertBefore(r.boots[0], bootElement(bootNetwork, r.edits.Quote(r.boots[0])))
		return
	}
	for i, el := range r.boots {
		switch {
		case i >= len(want):
			r.edits.Remove(el)
		case want[i] != r.os.BootDevices[i]:
			r.edits.SetAttribute(el.Attribute("dev"), want[i].Dev)
		}
	}
}

// validBoots reports whether every <boot> of <os> names a device. libvirt
// refuses one that does not.
func validBoots(boots []*element) bool {
	for _, b := range boots {
		if b.Attribute("dev") == nil {
			return false
		}
	}
	return true
}

func bootElement(dev, quote string) string { return "<boot dev=" + quote + dev + quote + "/>" }

func names(devices []libvirtxml.DomainBootDevice) string {
	return strings.Join(bootNames(devices), ", ")
}

func bootNames(devices []libvirtxml.DomainBootDevice) []string {
	s := []string{}
	for _, d := range devices {
		s = append(s, d.Dev)
	}
	return s
}
