package domainxml

// Domain is what a rule's match and a log line need of a domain.
type Domain struct {
	Name string
	UUID string
	Type string // the <domain type='…'>: kvm, qemu, lxc, …

	Bridges  []string // <source bridge='…'> of its interfaces
	Networks []string // <source network='…'> of its interfaces

	Nova Nova // zero without Nova's metadata
}

// QEMU reports whether libvirt's QEMU driver runs domains of this type: qemu
// and its accelerators (virDomainVirt in libvirt's src/conf/domain_conf.c).
func (d Domain) QEMU() bool {
	switch d.Type {
	case "qemu", "kqemu", "kvm", "hvf":
		return true
	}
	return false
}

// Nova is what Nova writes about an instance into its domain's <metadata>
// (LibvirtConfigGuestMetaNovaInstance in nova/virt/libvirt/config.py).
type Nova struct {
	DisplayName string
	// Created is when Nova has written the document, in its own form and UTC: 2025-10-09
	// 08:53:20. It writes one for each start but for a reboot from inside.
	Created string
	Project NovaOwner
	User    NovaOwner
	Flavor  NovaFlavor
	Image   NovaImage
}

// NovaOwner is a project or a user.
type NovaOwner struct{ Name, UUID string }

// NovaFlavor is the flavor of an instance; ID and ExtraSpecs since Nova 2025.1.
type NovaFlavor struct {
	Name, ID   string
	ExtraSpecs map[string]string
}

// NovaImage is the image of an instance; Properties since Nova 2025.1.
type NovaImage struct {
	UUID       string
	Properties map[string]string
}
