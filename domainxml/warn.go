package domainxml

import "libvirt.org/go/libvirtxml"

func (r *rewrite) warnNoInterface() {
	if len(r.interfaces) == 0 {
		r.warned(Warning{Kind: WarningNoInterface})
	}
}

// warnROM warns when an interface that would boot does not load its option ROM.
func (r *rewrite) warnROM() {
	for _, n := range r.bootNICs() {
		if romOff(n.ROM) {
			r.warned(Warning{Kind: WarningROMOff, Interface: n.label})
		}
	}
}

func romOff(rom *libvirtxml.DomainROM) bool {
	return rom != nil && (rom.Bar == "off" || rom.Enabled == "no")
}
