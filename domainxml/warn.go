package domainxml

import "libvirt.org/go/libvirtxml"

func (r *rewrite) warnNoInterface() {
	if len(r.interfaces) == 0 {
		r.warned(Warning{Kind: WarningNoInterface})
	}
}

// warnROM warns when the interface that would boot does not load its option ROM.
func (r *rewrite) warnROM() {
	if len(r.interfaces) == 0 {
		return
	}
	if n := r.bootInterface(); romOff(n.ROM) {
		r.warned(Warning{Kind: WarningROMOff, Interface: n.label})
	}
}

// bootInterface is the interface that tries the network: the first with a boot
// order of its own, otherwise the first.
func (r *rewrite) bootInterface() nic {
	boot, lowest := r.interfaces[0], uint(0)
	for _, n := range r.interfaces {
		for _, d := range r.ordered {
			if d.device == n.element && (lowest == 0 || d.boot.Order < lowest) {
				boot, lowest = n, d.boot.Order
			}
		}
	}
	return boot
}

func romOff(rom *libvirtxml.DomainROM) bool {
	return rom != nil && (rom.Bar == "off" || rom.Enabled == "no")
}
