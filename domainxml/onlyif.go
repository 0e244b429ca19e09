package domainxml

import (
	"errors"
	"fmt"
)

// OnlyIf is the value of a rule's only_if key: when its network-first holds. The
// zero value is OnlyIfAlways.
type OnlyIf string

// The conditions.
const (
	OnlyIfAlways    OnlyIf = "always"
	OnlyIfBlankDisk OnlyIf = "blank-disk" // while the root disk has no boot sector
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *OnlyIf) UnmarshalText(text []byte) error {
	return oneOf(o, text, OnlyIfAlways, OnlyIfBlankDisk)
}

// DiskSource is a guest's disk on this machine.
type DiskSource struct {
	Path string
	// Format is the one that the document names, or raw. The disk's own header does
	// not count: the guest may have written it.
	Format string
}

// BootSectors is how many bytes at the beginning of a disk tell whether it can be
// booted: a GPT header is in the second sector, of 512 or 4,096 bytes.
const BootSectors = 4096 + 512

// HasBootSector reports whether a disk that begins with these bytes has something
// to boot: the signature of a master boot record or a GPT header (UEFI
// Specification 2.10, 5.2.1 and 5.3.2).
func HasBootSector(head []byte) bool {
	at := func(offset int, signature string) bool {
		return len(head) >= offset+len(signature) && string(head[offset:offset+len(signature)]) == signature
	}
	const gpt = "EFI PART"
	return at(510, "\x55\xaa") || at(512, gpt) || at(4096, gpt)
}

// networkWanted reports whether the rule's only_if holds. Where a disk cannot be read,
// the network stays first.
func (r *rewrite) networkWanted() bool {
	if r.rule.OnlyIf != OnlyIfBlankDisk {
		return true
	}
	disk := r.rootDisk()
	if disk == nil {
		return true
	}
	head, err := r.readBootSectors(disk)
	if err != nil {
		r.warned(Warning{Kind: WarningDiskUnread, Disk: r.doc.Attr(disk.Child("target"), "dev"), Reason: err.Error()})
		return true
	}
	return !HasBootSector(head)
}

// rootDisk is the hard disk that would boot first; nil without one.
func (r *rewrite) rootDisk() *element {
	for _, d := range byOrder(r.ordered) {
		if r.deviceKind(d.device) == BootsFromDisk {
			return d.device
		}
	}
	return r.firstDisk(bootDisk)
}

func (r *rewrite) readBootSectors(disk *element) ([]byte, error) {
	source, err := r.doc.diskSource(disk)
	if err != nil {
		return nil, err
	}
	if r.readDisk == nil {
		return nil, errors.New("this program does not read disks")
	}
	return r.readDisk(source, BootSectors)
}

func (d *tree) diskSource(disk *element) (DiskSource, error) {
	source := disk.Child("source")
	s := DiskSource{Format: "raw"}
	switch kind := d.Attr(disk, "type"); kind {
	case "file", "": // libvirt's default
		s.Path = d.Attr(source, "file")
	case "block":
		s.Path = d.Attr(source, "dev")
	default:
		return s, fmt.Errorf("it is of type %s and not on this machine", kind)
	}
	if format := d.Attr(disk.Child("driver"), "type"); format != "" {
		s.Format = format
	}
	switch {
	case s.Path == "":
		return s, errors.New("it has no source")
	case disk.Child("encryption") != nil || source.Child("encryption") != nil:
		return s, errors.New("it is encrypted")
	case source.Child("slices") != nil:
		return s, errors.New("it is a slice of a file")
	}
	return s, nil
}
