package domainxml

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// BootNIC is the value of a rule's boot_nic key: which interfaces try the
// network. The zero value is the first one that can. libvirt's <boot dev='network'/> only
// ever tries the first of all; for any other the rule writes <boot order='…'/>.
type BootNIC struct {
	All     bool   // all of them, in their order
	Bridge  string // those on a bridge that fits this glob
	Network string // those in a libvirt network that fits this glob
	Dev     string // those on a device of the host that fits this glob: macvtap's, and vDPA's
	MAC     string // those with an address that fits this glob
	Hostdev string // PCI devices of the host with an address that fits this glob: 0000:4b:00.2
}

// The values of a boot_nic key that are not globs.
const (
	bootNICFirst = "first"
	bootNICAll   = "all"
)

// BootNICValues are all values of the key, for a person.
const BootNICValues = "first, all, {bridge: GLOB}, {network: GLOB}, {dev: GLOB}, {mac: GLOB}, {hostdev: GLOB}"

// UnmarshalText implements encoding.TextUnmarshaler for "first" and "all".
func (b *BootNIC) UnmarshalText(text []byte) error {
	switch string(text) {
	case bootNICFirst:
		*b = BootNIC{}
	case bootNICAll:
		*b = BootNIC{All: true}
	default:
		return fmt.Errorf("%q is not one of %s", text, BootNICValues)
	}
	return nil
}

// String names the interfaces, for a person.
func (b BootNIC) String() string {
	switch {
	case b.All:
		return "all interfaces"
	case b.Bridge != "":
		return "interfaces of bridge " + b.Bridge
	case b.Network != "":
		return "interfaces of network " + b.Network
	case b.Dev != "":
		return "interfaces on device " + b.Dev
	case b.MAC != "":
		return "interfaces with MAC " + b.MAC
	case b.Hostdev != "":
		return "the host's PCI devices " + b.Hostdev
	}
	return "the first interface"
}

// bootNICs are the interfaces that the rule wants to try the network, in order.
func (r *rewrite) bootNICs() []nic {
	want := r.rule.BootNIC
	switch {
	case want.Hostdev != "":
		return r.hostdevs(want.Hostdev)
	case len(r.interfaces) == 0:
		return nil
	case want == BootNIC{}:
		return []nic{r.firstToBoot()}
	}
	var chosen []nic
	for _, n := range r.interfaces {
		if want.All || r.fitsNIC(want, n) {
			chosen = append(chosen, n)
		}
	}
	return chosen
}

func (r *rewrite) fitsNIC(want BootNIC, n nic) bool {
	source := n.element.Child("source")
	return want.Bridge != "" && globFits(want.Bridge, n.bridge) ||
		want.Network != "" && globFits(want.Network, r.doc.Attr(source, "network")) ||
		want.Dev != "" && globFits(want.Dev, r.doc.Attr(source, "dev")) ||
		want.MAC != "" && fitsMAC(want.MAC, n.label)
}

// hostdevs are the PCI devices of the host with an address that fits.
func (r *rewrite) hostdevs(glob string) []nic {
	var chosen []nic
	for _, dev := range r.doc.Root.Child("devices").All("hostdev") {
		address := pciAddress(r.doc, dev.Child("source").Child("address"))
		if r.doc.Attr(dev, "type") == "pci" && globFits(glob, address) {
			n := newNIC(r.doc, dev, r.doc.position(dev))
			n.label = address
			chosen = append(chosen, n)
		}
	}
	return chosen
}

// pciAddress is a device's address in the form of lspci -D: 0000:4b:00.2.
func pciAddress(doc *tree, e *element) string {
	var numbers [4]uint64
	for i, name := range []string{"domain", "bus", "slot", "function"} {
		numbers[i], _ = strconv.ParseUint(doc.Attr(e, name), 0, 32)
	}
	return fmt.Sprintf("%04x:%02x:%02x.%x", numbers[0], numbers[1], numbers[2], numbers[3])
}

// fitsMAC ignores case: libvirt writes addresses in lower case, other programs in
// capitals.
func fitsMAC(glob, address string) bool {
	return globFits(strings.ToLower(glob), strings.ToLower(address))
}

// firstToBoot is the interface that tries the network first, of those that can; where
// none can, the first.
func (r *rewrite) firstToBoot() nic {
	candidates := r.inBootOrder()
	for _, n := range candidates {
		if r.cannotTry(n) == "" {
			return n
		}
	}
	return candidates[0]
}

// inBootOrder are the interfaces, those with a boot order of their own in front.
func (r *rewrite) inBootOrder() []nic {
	order := func(n nic) uint {
		if d, ordered := r.orders[n.element]; ordered {
			return d.boot.Order
		}
		return math.MaxUint
	}
	sorted := slices.Clone(r.interfaces)
	slices.SortStableFunc(sorted, func(a, b nic) int { return cmp.Compare(order(a), order(b)) })
	return sorted
}

// cannotTry is why an interface cannot try the network; "" where it can.
func (r *rewrite) cannotTry(n nic) string {
	ownROM := n.ROM != nil && n.ROM.File != nil && *n.ROM.File != ""
	switch kind := r.doc.Attr(n.element, "type"); {
	case romOff(n.ROM):
		return "has its option ROM off"
	case kind == "hostdev" && !ownROM:
		return "is a device of the host without an option ROM"
	case kind == "vdpa":
		return "is a vDPA device"
	}
	return ""
}

// warnPassedOver says which interfaces the rule passes over to reach the first that can
// try the network.
func (r *rewrite) warnPassedOver(chosen []nic) {
	if r.rule.BootNIC != (BootNIC{}) || len(chosen) != 1 {
		return
	}
	for _, n := range r.inBootOrder() {
		if n.element == chosen[0].element {
			return
		}
		if reason := r.cannotTry(n); reason != "" {
			r.warned(Warning{Kind: WarningPassedOver, Interface: n.label, Reason: reason})
		}
	}
}

// osBootSuffices reports whether <boot dev='network'/> tries those interfaces.
func (r *rewrite) osBootSuffices(chosen []nic) bool {
	if len(r.interfaces) == 0 {
		return len(chosen) == 0
	}
	return len(chosen) == 1 && chosen[0].element == r.interfaces[0].element
}
