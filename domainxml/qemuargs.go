package domainxml

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// qemuNamespace is that of what a document passes to QEMU by itself
// (virQEMUDomainXMLNamespace in src/qemu/qemu_domain.c).
const qemuNamespace = "http://libvirt.org/schemas/domain/qemu/1.0"

// qemuBoot is what a document gives QEMU by itself about what boots:
// <qemu:commandline> and <qemu:override>.
type qemuBoot struct {
	// indexes are the boot indexes of devices that libvirt does not know, sorted.
	indexes []uint
	// order is what sets the boot order, or the boot index of one of libvirt's devices;
	// "" for nothing.
	order string
	// storage is the first option that gives the guest a disk without libvirt's
	// knowledge; "" for none.
	storage string
}

// qemuBoot reads it.
func (v *view) qemuBoot() qemuBoot {
	var q qemuBoot
	for _, c := range v.doc.Root.Children {
		switch local := c.Local(); {
		case local != "commandline" && local != "override", v.doc.Namespace(c) != qemuNamespace:
		case local == "commandline":
			q.readArguments(v.arguments(c))
		case overridesBoot(v.doc, c):
			q.order = "<qemu:override> of a bootindex"
		}
	}
	slices.Sort(q.indexes)
	return q
}

func (v *view) arguments(commandline *element) []string {
	var args []string
	for _, arg := range commandline.Children {
		if arg.Local() == "arg" {
			args = append(args, v.doc.Attr(arg, "value"))
		}
	}
	return args
}

// overridesBoot reports whether a <qemu:override> has a boot index of a device.
func overridesBoot(doc *tree, e *element) bool {
	if e.Local() == "property" && isBootIndex(doc.Attr(e, "name")) {
		return true
	}
	return slices.ContainsFunc(e.Children, func(c *element) bool { return overridesBoot(doc, c) })
}

// readArguments reads QEMU's options (qemu-options.hx), each with the argument behind it.
func (q *qemuBoot) readArguments(args []string) {
	for i, arg := range args {
		option, isOption := strings.CutPrefix(arg, "-")
		if !isOption {
			continue
		}
		value := ""
		if i+1 < len(args) {
			value = args[i+1]
		}
		q.readOption(strings.TrimPrefix(option, "-"), value)
	}
}

func (q *qemuBoot) readOption(option, value string) {
	switch option {
	case "device", "option-rom":
		p := properties(value)
		for name, index := range p {
			if n, err := strconv.ParseUint(index, 0, 31); err == nil && isBootIndex(name) {
				q.indexes = append(q.indexes, uint(n))
			}
		}
		if p["driver"] == "vfio-pci" {
			q.storage = "-device vfio-pci"
		}
	case "kernel":
		q.indexes = append(q.indexes, 0) // of its option ROM (x86_load_linux in hw/i386/x86.c)
	case "set", "global":
		if strings.Contains(value, "bootindex") {
			q.order = fmt.Sprintf("-%s %s", option, value)
		}
	case "boot":
		p := properties(value)
		if order := p["order"] + p["driver"]; order != "" || p["once"] != "" {
			q.order = "-boot " + value
		}
	case "readconfig":
		q.order = "-readconfig " + value
	case "drive", "blockdev", "hda", "hdb", "hdc", "hdd", "cdrom", "fda", "fdb", "sd", "mtdblock":
		q.storage = "-" + option
	}
}

func isBootIndex(property string) bool { return strings.HasPrefix(property, "bootindex") }

// properties are those of an option's argument, in JSON or as key=value,…; what is first
// without a key is its driver.
func properties(value string) map[string]string {
	p := map[string]string{}
	if strings.HasPrefix(value, "{") {
		var object map[string]any
		if json.Unmarshal([]byte(value), &object) == nil {
			for name, v := range object {
				p[name] = fmt.Sprint(v)
			}
		}
		return p
	}
	for i, part := range strings.Split(strings.ReplaceAll(value, ",,", "\x00"), ",") {
		name, v, ok := strings.Cut(part, "=")
		switch {
		case ok:
			p[name] = v
		case i == 0:
			p["driver"] = part
		}
	}
	return p
}
