package domainxml

import (
	"cmp"
	"slices"
	"strings"
)

// disks are the disks in libvirt's order: bus by bus as the document first has
// them, and within a bus by the target's name, vda before vdb wherever they
// stand (virDomainDiskInsert in src/conf/domain_conf.c).
func (d *tree) disks() []*element {
	type place struct {
		disk       *element
		bus, index int
	}
	var places []place
	buses := map[string]int{}
	for _, disk := range d.Root.Child("devices").All("disk") {
		target := disk.Child("target")
		bus := d.Attr(target, "bus")
		if _, known := buses[bus]; !known {
			buses[bus] = len(buses)
		}
		places = append(places, place{disk, buses[bus], diskIndex(d.Attr(target, "dev"))})
	}
	slices.SortStableFunc(places, func(a, b place) int {
		return cmp.Or(a.bus-b.bus, a.index-b.index)
	})
	disks := make([]*element, len(places))
	for i, p := range places {
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
