package domainxml

import (
	"slices"

	"libvirt.org/go/libvirtxml"
)

func (r *rewrite) warnNoInterface() {
	if len(r.interfaces) == 0 {
		r.warned(Warning{Kind: WarningNoInterface})
	}
}

// warnNetworkBehind warns where a domain's own boot order has the network behind the
// disk: its guest was to be installed once.
func (r *rewrite) warnNetworkBehind() {
	if r.undo.once != OnceNone || r.rule.Boot == BootNetworkIfMissing || r.rule.OnlyIf != OnlyIfAlways || r.first != BootsFromNetwork || !r.namesNetwork() {
		return
	}
	if order, first := r.bootOf(r.withoutRewrites()); first != BootsFromNetwork {
		r.warned(Warning{Kind: WarningNetworkBehind, BootOrder: order})
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

// warnFirmwareClient warns where the firmware does not run the option ROM of QEMU, which
// has code for x86 only, and so asks by itself.
func (r *rewrite) warnFirmwareClient(chosen []nic) {
	sends, known := map[string]string{
		// NetworkPkg/UefiPxeBcDxe of edk2.
		"aarch64": "vendor class PXEClient:Arch:00011 and architecture 11",
		// lib/libnet/dhcp.c of SLOF, and of QEMU's pc-bios/s390-ccw.
		"ppc64": "no vendor class and no architecture", "ppc64le": "no vendor class and no architecture",
		"s390x": "no vendor class and architecture 31",
	}[r.os.Type.Arch]
	ownROM := func(n nic) bool { return n.ROM != nil && n.ROM.File != nil && *n.ROM.File != "" }
	if known && slices.ContainsFunc(chosen, func(n nic) bool { return !ownROM(n) }) {
		r.warned(Warning{Kind: WarningFirmwareClient, Arch: r.os.Type.Arch, Reason: sends})
	}
}
