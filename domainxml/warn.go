package domainxml

import "libvirt.org/go/libvirtxml"

func (r *rewrite) warnNoInterface() {
	if len(r.interfaces) == 0 {
		r.warned(Warning{Kind: WarningNoInterface})
	}
}

// warnROM warns when an interface that would boot does not load its option ROM.
func (r *rewrite) warnROM(chosen []nic) {
	for _, n := range chosen {
		if romOff(n.ROM) {
			r.warned(Warning{Kind: WarningROMOff, Interface: n.label})
		}
	}
}

// romOff reports whether the interface has no option ROM. libvirt passes an empty file
// name to QEMU, which then loads none.
func romOff(rom *libvirtxml.DomainROM) bool {
	return rom != nil && (rom.Bar == "off" || rom.Enabled == "no" || rom.File != nil && *rom.File == "")
}
