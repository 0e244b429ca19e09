package domainxml

import (
	"path"
	"slices"
	"strings"
)

// bootsOwnDevice warns of a domain that was made to boot from a device of its own now: the
// disk of Nova's rescue, or a CD-ROM with a disc in it that its boot order, before
// rewrites, begins with. The network in front would keep that from booting wherever a
// server answers. It is nil for other domains, and where the rule wants the network first
// always.
func (r *rewrite) bootsOwnDevice() *Warning {
	if r.rule.Boot == BootNetworkAlways {
		return nil
	}
	if disk := r.rescueDisk(); disk != nil {
		return &Warning{Kind: WarningOwnDevice, Disk: r.doc.Attr(disk.Child("target"), "dev"), Reason: "the disk of Nova's rescue"}
	}
	if disk := r.firstToTry(); r.isCDROM(disk) {
		return &Warning{Kind: WarningOwnDevice, Disk: r.doc.Attr(disk.Child("target"), "dev"), Reason: "the CD-ROM that its boot order begins with"}
	}
	return nil
}

// rescueDisk is the disk of Nova's rescue; nil without one. Nova names it disk.rescue in
// an instance's directory, and UUID_disk.rescue in LVM's volume group or Ceph's pool
// (nova/virt/libvirt/imagebackend.py). It comes first by its place among the disks, or by
// <boot order='1'/> (stable device rescue).
func (v *view) rescueDisk() *element {
	for _, disk := range v.doc.Root.Child("devices").All("disk") {
		for _, attribute := range []string{"file", "dev", "name"} {
			name := path.Base(v.doc.Attr(disk.Child("source"), attribute))
			if name == "disk.rescue" || strings.HasSuffix(name, "_disk.rescue") {
				return disk
			}
		}
	}
	return nil
}

// firstToTry is the device that the boot order before rewrites begins with, but for
// drives without a disc; nil where that is none of the domain's disks.
func (r *rewrite) firstToTry() *element {
	boots, orders := r.withoutRewrites()
	for _, o := range byOrder(orders) {
		if !r.isEmptyDrive(o.device) {
			return o.device
		}
	}
	if len(orders) > 0 {
		return nil
	}
	for i, boot := range boots {
		dev := r.firstDisk(boot)
		switch {
		case slices.Contains(boots[i+1:], boot): // the second one counts
		case boot == bootNetwork:
			return nil
		case dev != nil && !r.isEmptyDrive(dev):
			return dev
		}
	}
	return nil
}

func (v *view) isCDROM(dev *element) bool {
	return dev != nil && dev.Name == "disk" && v.doc.Attr(dev, "device") == "cdrom"
}

// isEmptyDrive reports whether a drive has no disc in it.
func (v *view) isEmptyDrive(dev *element) bool {
	if !v.isCDROM(dev) {
		return false
	}
	has := func(attribute string) bool { return v.doc.Attr(dev.Child("source"), attribute) != "" }
	return !slices.ContainsFunc([]string{"file", "dev", "protocol", "volume"}, has)
}
