package novatemplate

import (
	"slices"
	"strings"
)

// branch is one way through a block of directives: the number of its opening
// directive, and how many #else and #elif come before.
type branch struct{ directive, part int }

// bootDevice is a <boot dev='…'/>; its path are the branches that it is in, the
// outermost first.
type bootDevice struct {
	element
	dev  string
	path []branch
}

func (d bootDevice) isNetwork() bool { return d.dev == "network" }

// editBoot puts the network in front of the boot devices of every branch, once.
func (e *editor) editBoot() {
	devices := e.bootDevices()
	for i, d := range devices {
		if strings.Contains(d.dev, "$") {
			e.result.Notes = append(e.result.Notes, e.note(d.start, "this boot device is known only when Nova renders the template; the boot order stays as it is"))
			return
		}
		if leader := leaderOf(devices[:i], d); leader != nil {
			if d.isNetwork() && !leader.isNetwork() {
				e.removed = append(e.removed, d.element)
			}
			continue
		}
		if d.isNetwork() {
			continue
		}
		at := e.frontOf(d, devices[i+1:])
		e.putNetworkBefore(d, at)
		devices[i].path = e.path(at)
	}
}

// leaderOf returns the device that comes first whenever d is there.
func leaderOf(before []bootDevice, d bootDevice) *bootDevice {
	for i, b := range before {
		if isPrefix(b.path, d.path) {
			return &before[i]
		}
	}
	return nil
}

func isPrefix(prefix, path []branch) bool {
	return len(prefix) <= len(path) && slices.Equal(prefix, path[:len(prefix)])
}

// frontOf returns where the network must stand to come before d: at d, or at the
// block that d is in where another device always follows that block.
func (e *editor) frontOf(d bootDevice, after []bootDevice) int {
	at, outermost := d.start, len(d.path)
	for _, a := range after {
		if n := len(a.path); n < outermost && isPrefix(a.path, d.path) {
			at, outermost = e.directives[d.path[n].directive].start, n
		}
	}
	return at
}

func (e *editor) putNetworkBefore(d bootDevice, at int) {
	start, end, _ := d.attribute(e.markup, "dev")
	network := func(text []byte) string { return string(text[d.start:start]) + "network" + string(text[end:d.end]) }
	before, after := "", ""
	if space, alone := indent(e.src, at); alone {
		at -= len(space)
		if own, alone := indent(e.src, d.start); alone {
			space = own
		}
		before, after = space, e.lineBreak(at)
	}
	e.splice(at, at, before+network(e.src)+after, before+network(e.markup)+after)
	e.changed(d.start, "boot from the network before %s", d.dev)
}

// bootDevices returns the boot devices of the domain. <boot order='…'/> belongs
// to a device and is none.
func (e *editor) bootDevices() []bootDevice {
	var devices []bootDevice
	for _, boot := range e.boots {
		if start, end, ok := boot.attribute(e.markup, "dev"); ok {
			devices = append(devices, bootDevice{boot, string(e.src[start:end]), e.path(boot.start)})
		}
	}
	return devices
}

// path returns the branches that an offset is in.
func (c *cheetah) path(offset int) []branch {
	var path []branch
	for i, d := range c.directives {
		if d.start >= offset {
			break
		}
		switch top := len(path) - 1; {
		case d.inline && offset < d.end+endOfLine(c.src[d.end:]):
			path = append(path, branch{directive: i})
		case d.inline:
		case d.opens != "":
			path = append(path, branch{directive: i})
		case d.closes != "":
			path = path[:top]
		case d.divides && top >= 0:
			path[top].part++
		}
	}
	return path
}
