package domainxml

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDisks: each document is the targets of its disks, "bus:name".
func TestDisks(t *testing.T) {
	for name, test := range map[string]struct{ disks, want []string }{
		"by name":                  {[]string{"virtio:vdc", "virtio:vda", "virtio:vdb"}, []string{"vda", "vdb", "vdc"}},
		"a bus at its first disk":  {[]string{"virtio:vdb", "ide:hda", "virtio:vda"}, []string{"vda", "vdb", "hda"}},
		"vdaa behind vdz":          {[]string{"virtio:vdaa", "virtio:vdz"}, []string{"vdz", "vdaa"}},
		"no bus is one of its own": {[]string{"virtio:vdb", ":vda"}, []string{"vdb", "vda"}},
		"the same name stays":      {[]string{"scsi:sdb1", "scsi:sdb", "scsi:sda"}, []string{"sda", "sdb1", "sdb"}},
		"another name in front":    {[]string{"virtio:vda", "virtio:nvme0n1"}, []string{"nvme0n1", "vda"}},
	} {
		t.Run(name, func(t *testing.T) {
			src := "<domain><devices>"
			for _, disk := range test.disks {
				bus, dev, _ := strings.Cut(disk, ":")
				if bus != "" {
					bus = " bus='" + bus + "'"
				}
				src += "<disk><target dev='" + dev + "'" + bus + "/></disk>"
			}
			doc, err := parse([]byte(src + "</devices></domain>"))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, disk := range doc.disks() {
				got = append(got, doc.Attr(disk.Child("target"), "dev"))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestDiskIndex(t *testing.T) {
	for target, want := range map[string]int{
		"vda": 0, "hdz": 25, "xvdaa": 26, "sdab": 27, "fdb3": 1, "ubdba": 52, "vdzz": 701, "vdaaa": 702,
		"": -1, "vd": -1, "vd1": -1, "vdA": -1, "vda1b": -1, "nvme0n1": -1, "da": -1,
	} {
		if got := diskIndex(target); got != want {
			t.Errorf("%q: %d, want %d", target, got, want)
		}
	}
}
