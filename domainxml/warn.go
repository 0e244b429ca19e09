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

// romOff reports whether QEMU gets no option ROM to load: libvirt passes an empty
// file on to it, which means just that.
func romOff(rom *libvirtxml.DomainROM) bool {
	return rom != nil && (rom.Bar == "off" || rom.Enabled == "no" || rom.File != nil && *rom.File == "")
}
