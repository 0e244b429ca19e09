package domainxml

// BootsFrom is what a guest boots from first.
type BootsFrom string

// What a guest can boot from.
const (
	BootsFromNetwork BootsFrom = "network"
	BootsFromDisk    BootsFrom = "disk"
	BootsFromCDROM   BootsFrom = "cdrom"
	BootsFromFloppy  BootsFrom = "floppy"
	BootsFromKernel  BootsFrom = "kernel" // libvirt boots it directly
	BootsFromOther   BootsFrom = "other"  // such as a USB or PCI device of the host
	BootsFromNothing BootsFrom = ""       // a container, or a guest of Xen's
)

// Start is how a guest starts from a document.
type Start struct {
	// BootsFrom is what the guest tries first.
	BootsFrom BootsFrom
	// BootOrder is all that the guest tries, as in Change: "network, hd".
	BootOrder string
	// Kernel is the path of a kernel that libvirt boots directly, Cmdline its
	// command line.
	Kernel, Cmdline string
}

// Facts are what a document says about its domain.
type Facts struct {
	Domain Domain
	Start
	// Filters are the nwfilters of the interfaces in their order, each once.
	Filters []string
	// Reverted is as in Result.
	Reverted bool
}

// Facts returns what the document says about its domain.
func (d *Document) Facts() Facts {
	return Facts{Domain: d.domain, Start: d.start(), Filters: d.filters(), Reverted: d.undo.reverted}
}

// Pending are the changes between how a running guest has started and how it will start
// the next time.
func Pending(running, next Start) []Change {
	var changes []Change
	if running.BootOrder != next.BootOrder {
		changes = append(changes, Change{Kind: ChangeBootOrder, From: running.BootOrder, To: next.BootOrder})
	}
	switch {
	case running.Kernel != "" && next.Kernel == "":
		changes = append(changes, Change{Kind: ChangeKernelDropped, From: running.Kernel})
	case running.Kernel == "" && next.Kernel != "":
		changes = append(changes, Change{Kind: ChangeKernelRestored, To: next.Kernel})
	case running.Cmdline != "" && next.Cmdline == "":
		changes = append(changes, Change{Kind: ChangeCmdlineRemoved, From: running.Cmdline})
	case running.Cmdline == "" && next.Cmdline != "":
		changes = append(changes, Change{Kind: ChangeCmdlineRestored, To: next.Cmdline})
	}
	return changes
}

func (v *view) start() Start {
	return Start{BootsFrom: v.bootsFrom(), BootOrder: v.bootOrder(), Kernel: v.os.Kernel, Cmdline: v.os.Cmdline}
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
	return bootKind(v.os.BootDevices[0].Dev)
}

// bootKind is what a <boot dev='…'/> stands for.
func bootKind(dev string) BootsFrom {
	switch dev {
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
	switch dev.Name {
	case "interface":
		return BootsFromNetwork
	case "disk":
		switch v.doc.Attr(dev, "device") {
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
