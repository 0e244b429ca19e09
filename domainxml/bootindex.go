package domainxml

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"libvirt.org/go/libvirtxml"
)

// bootIndexes are the boot indexes that libvirt gives QEMU, by device.
type bootIndexes map[deviceID]uint

// cannotBoot is why the guest would not start, or not find what it boots from, with the
// network first; nil where it would.
func (r *rewrite) cannotBoot(chosen []nic) *Warning {
	if len(chosen) == 0 {
		return nil
	}
	if arch := r.os.Type.Arch; hasNoFallback(r.os.Type) {
		return &Warning{Kind: WarningNoFallback, Reason: "the firmware of " + arch}
	}
	if reason := r.noRoom(chosen); reason != "" {
		return &Warning{Kind: WarningBootIndex, Reason: reason}
	}
	return nil
}

// noRoom is why no boot index is left for the chosen interfaces: QEMU does not start
// with one that is there twice, and its firmware tries nothing without one where any
// device has one (strict=on, which libvirt sets).
func (r *rewrite) noRoom(chosen []nic) string {
	own := r.qemuBoot()
	before := r.bootIndexes(r.withoutRewrites())
	switch unlisted := r.unlisted(own, chosen); {
	case own.order != "":
		return "gives QEMU a boot order by itself (" + own.order + ")"
	case len(before) == 0 && unlisted != "":
		return "has none of the devices of its boot order; its firmware finds " + unlisted + " by itself, and behind the network it would not try that"
	}
	if highest := r.highestOrder(); highest+uint(len(chosen)) > math.MaxInt32 {
		return fmt.Sprintf("has a boot order of %d, where QEMU's highest is %d", highest, math.MaxInt32)
	}
	if len(own.indexes) == 0 {
		return ""
	}
	return r.taken(own.indexes, before, r.indexesAfter(chosen), chosen)
}

// taken is which of QEMU's own boot indexes a device would have, or pass, with the
// network first.
func (r *rewrite) taken(own []uint, before, after bootIndexes, chosen []nic) string {
	inFront := map[deviceID]bool{}
	for _, n := range chosen {
		inFront[positionOf(r.doc, n.element)] = true
	}
	for dev, index := range after {
		was := before[dev]
		if inFront[dev] {
			was = 0
		}
		if taken, ok := firstIn(own, was, index, inFront[dev]); ok {
			return fmt.Sprintf("gives QEMU the boot index %d by itself (<qemu:commandline>), which leaves no room for the network before it", taken)
		}
	}
	return ""
}

// firstIn is the first of the sorted indexes above was, or from it on, and up to index.
func firstIn(indexes []uint, was, index uint, from bool) (uint, bool) {
	n, found := slices.BinarySearch(indexes, was)
	if found && !from {
		for n < len(indexes) && indexes[n] == was {
			n++
		}
	}
	if n < len(indexes) && indexes[n] <= index {
		return indexes[n], true
	}
	return 0, false
}

func (v *view) highestOrder() uint {
	highest := uint(0)
	for _, o := range v.ordered {
		highest = max(highest, o.boot.Order)
	}
	return highest
}

// withoutRewrites is the boot order before rewrites, where the document still has what
// they wrote.
func (r *rewrite) withoutRewrites() (boots []string, orders []orderedDevice) {
	items := present(r.undo.of(groupBoot))
	if len(items) > 0 && r.stands(items) && r.fits(items) {
		return r.bootAfter(items)
	}
	return bootNames(r.os.BootDevices), r.ordered
}

// indexesAfter are the boot indexes with the network first.
func (r *rewrite) indexesAfter(chosen []nic) bootIndexes {
	trial := r.trial(chosen)
	if len(trial.changes) == 0 {
		return r.bootIndexes(bootNames(r.os.BootDevices), r.ordered)
	}
	doc, err := parseDomain(trial.edits.Apply())
	if err != nil {
		return nil
	}
	v := newView(doc)
	return v.bootIndexes(bootNames(v.os.BootDevices), v.ordered)
}

// namesNetwork reports whether the boot order before rewrites has the network in it.
func (r *rewrite) namesNetwork() bool {
	boots, orders := r.withoutRewrites()
	return slices.Contains(boots, bootNetwork) ||
		slices.ContainsFunc(orders, func(o orderedDevice) bool { return r.deviceKind(o.device) == BootsFromNetwork })
}

// trial is the boot rule on a copy.
func (r *rewrite) trial(chosen []nic) *rewrite {
	trial := *r
	trial.edits, trial.recorded, trial.changes, trial.warnings = r.newEdits(), nil, nil, nil
	trial.editBootDevices(chosen)
	return &trial
}

// bootIndexes are those of a boot order (qemuProcessPrepareDeviceBootorder in
// src/qemu/qemu_process.c).
func (v *view) bootIndexes(boots []string, orders []orderedDevice) bootIndexes {
	indexes := bootIndexes{}
	for _, o := range orders {
		indexes[positionOf(v.doc, o.device)] = o.boot.Order
	}
	if len(orders) > 0 {
		return indexes
	}
	if len(boots) == 0 {
		boots = []string{bootDisk}
	}
	for i, boot := range boots {
		dev := v.firstDisk(boot)
		if boot == bootNetwork && len(v.interfaces) > 0 {
			dev = v.interfaces[0].element
		}
		if dev != nil {
			indexes[positionOf(v.doc, dev)] = uint(i + 1)
		}
	}
	return indexes
}

// positionOf identifies a device in a document before and after a rewrite.
func positionOf(doc *tree, dev *element) deviceID {
	return deviceID{kind: dev.Name, position: doc.position(dev)}
}

// unlisted is something that can be booted and has no boot index where no device has
// one: for a person; "" where there is nothing.
func (r *rewrite) unlisted(own qemuBoot, chosen []nic) string {
	devices := r.doc.Root.Child("devices")
	for _, disk := range devices.All("disk") {
		if disk.Child("source") != nil {
			return "disk " + r.doc.Attr(disk.Child("target"), "dev")
		}
	}
	for _, dev := range devices.All("hostdev") {
		if slices.ContainsFunc(chosen, func(n nic) bool { return n.element == dev }) {
			continue
		}
		if slices.Contains([]string{"pci", "usb", "scsi"}, r.doc.Attr(dev, "type")) {
			return "the host's device " + r.doc.deviceName(dev)
		}
	}
	if own.storage == "" {
		return ""
	}
	return "what " + own.storage + " gives it"
}

// hasNoFallback reports whether the firmware stops where the first device does not boot,
// as that of s390x did before QEMU 9.2. A machine type with a version says that its QEMU
// is not older.
func hasNoFallback(t *libvirtxml.DomainOSType) bool {
	if t.Arch != "s390x" && t.Arch != "s390" {
		return false
	}
	var major, minor int
	version := t.Machine[strings.LastIndex(t.Machine, "-")+1:]
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n != 2 {
		return true
	}
	return major < 9 || major == 9 && minor < 2
}
