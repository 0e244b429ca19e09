package domainxml

import (
	"cmp"
	"slices"
	"strings"
)

// disks are the disks in libvirt's order: buses in the order of the document, and
// within a bus by the target's name, vda before vdb (virDomainDiskInsert in
// src/conf/domain_conf.c).
func (d *tree) disks() []*element {
	type position struct {
		disk       *element
		bus, index int
	}
	var positions []position
	buses := map[string]int{}
	for _, disk := range d.Root.Child("devices").All("disk") {
		target := disk.Child("target")
		bus := d.Attr(target, "bus")
		if _, known := buses[bus]; !known {
			buses[bus] = len(buses)
		}
		positions = append(positions, position{disk, buses[bus], diskIndex(d.Attr(target, "dev"))})
	}
	slices.SortStableFunc(positions, func(a, b position) int {
		return cmp.Or(a.bus-b.bus, a.index-b.index)
	})
	disks := make([]*element, len(positions))
	for i, p := range positions {
		disks[i] = p.disk
	}
	return disks
}

// diskIndex is virDiskNameToIndex of libvirt's src/util/virutil.c: 0 for vda, 1
// for sdb, 26 for vdaa, -1 for a name of another form.
func diskIndex(target string) int {
	name, ok := target, false
	for _, prefix := range []string{"fd", "hd", "vd", "sd", "xvd", "ubd"} {
		if name, ok = strings.CutPrefix(target, prefix); ok {
			break
		}
	}
	letters := strings.TrimRight(name, "0123456789")
	if !ok || letters == "" {
		return -1
	}
	index := 0
	for _, c := range []byte(letters) {
		if c < 'a' || c > 'z' {
			return -1
		}
		index = index*26 + int(c-'a') + 1
	}
	return index - 1
}
