package domainxml

// BootsFrom says what a guest boots from first.
type BootsFrom string

// What a guest can boot from.
const (
	BootsFromNetwork BootsFrom = "network"
	BootsFromDisk    BootsFrom = "disk"
	BootsFromCDROM   BootsFrom = "cdrom"
	BootsFromFloppy  BootsFrom = "floppy"
	BootsFromKernel  BootsFrom = "kernel" // libvirt boots it directly
	BootsFromOther   BootsFrom = "other"  // such as a USB or PCI device of the host
	BootsFromNothing BootsFrom = ""       // a container, a guest of Xen's, no device
)

// Facts are what a document says of how its guest boots.
type Facts struct {
	Domain Domain
	// BootsFrom is the first of what the guest tries.
	BootsFrom BootsFrom
	// BootOrder is all of it as Change has it: "network, hd".
	BootOrder string
	// Kernel is the path of a kernel that libvirt boots directly.
	Kernel string
	// Filters are the nwfilters of the interfaces in their order, each once.
	Filters []string
	// Reverted is as in Result.
	Reverted bool
}

// Inspect reads a domain document without judging it.
func Inspect(doc []byte) (Facts, error) {
	parsed, err := parseDomain(doc)
	if err != nil {
		return Facts{}, err
	}
	v := newView(parsed)
	_, kept := parsed.recordOf()
	return Facts{
		Domain:    newDomain(parsed),
		BootsFrom: v.bootsFrom(),
		BootOrder: v.bootOrder(),
		Kernel:    v.os.Kernel,
		Filters:   v.filters(),
		Reverted:  kept.reverted,
	}, nil
}

func (v *view) bootOrder() string {
	switch {
	case len(v.ordered) > 0:
		return labels(byOrder(v.ordered))
	case len(v.os.BootDevices) == 0 && v.os.Type != nil && v.os.Type.Type == "hvm":
		return bootDisk
	}
	return names(v.os.BootDevices)
}

func (v *view) bootsFrom() BootsFrom {
	switch {
	case v.os.Kernel != "":
		return BootsFromKernel
	case len(v.ordered) > 0:
		return v.deviceKind(byOrder(v.ordered)[0].device)
	case v.os.Type == nil || v.os.Type.Type != "hvm":
		return BootsFromNothing
	case len(v.os.BootDevices) == 0:
		return BootsFromDisk
	}
	switch v.os.BootDevices[0].Dev {
	case bootNetwork:
		return BootsFromNetwork
	case bootDisk:
		return BootsFromDisk
	case "cdrom":
		return BootsFromCDROM
	case "fd":
		return BootsFromFloppy
	}
	return BootsFromOther
}

func (v *view) deviceKind(dev *element) BootsFrom {
	switch dev.name {
	case "interface":
		return BootsFromNetwork
	case "disk":
		switch v.doc.attr(dev, "device") {
		case "cdrom":
			return BootsFromCDROM
		case "floppy":
			return BootsFromFloppy
		}
		return BootsFromDisk
	}
	return BootsFromOther
}

func (v *view) filters() []string {
	var filters []string
	seen := map[string]bool{}
	for _, n := range v.interfaces {
		if n.FilterRef != nil && !seen[n.FilterRef.Filter] {
			seen[n.FilterRef.Filter] = true
			filters = append(filters, n.FilterRef.Filter)
		}
	}
	return filters
}
