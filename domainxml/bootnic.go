package domainxml

import (
	"fmt"
	"strings"
)

// BootNIC is the value of a rule's boot_nic key: which interfaces try the
// network. The zero value is the first one, the only one that libvirt's
// <boot dev='network'/> ever tries; with any other the rule writes
// <boot order='…'/>.
type BootNIC struct {
	All    bool   // all of them, in their order
	Bridge string // those on a bridge that fits this glob
	MAC    string // those with an address that fits this glob
}

// The values of a boot_nic key that are not globs.
const (
	bootNICFirst = "first"
	bootNICAll   = "all"
)

// UnmarshalText implements encoding.TextUnmarshaler for "first" and "all".
func (b *BootNIC) UnmarshalText(text []byte) error {
	switch string(text) {
	case bootNICFirst:
		*b = BootNIC{}
	case bootNICAll:
		*b = BootNIC{All: true}
	default:
		return fmt.Errorf("%q is not one of %s, %s, {bridge: GLOB}, {mac: GLOB}", text, bootNICFirst, bootNICAll)
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
	case b.MAC != "":
		return "interfaces with MAC " + b.MAC
	}
	return "the first interface"
}

// bootNICs are the interfaces that the rule wants to try the network, in order.
func (r *rewrite) bootNICs() []nic {
	want := r.rule.BootNIC
	switch {
	case len(r.interfaces) == 0:
		return nil
	case want == BootNIC{}:
		return []nic{r.firstToBoot()}
	}
	var chosen []nic
	for _, n := range r.interfaces {
		if want.All || want.Bridge != "" && globFits(want.Bridge, n.bridge) || want.MAC != "" && fitsMAC(want.MAC, n.label) {
			chosen = append(chosen, n)
		}
	}
	return chosen
}

// fitsMAC ignores case: libvirt writes addresses in lower case, other programs in
// capitals.
func fitsMAC(glob, address string) bool {
	return globFits(strings.ToLower(glob), strings.ToLower(address))
}

// firstToBoot is the interface that tries the network first: the first with a
// boot order of its own, otherwise the first.
func (r *rewrite) firstToBoot() nic {
	boot, lowest := r.interfaces[0], uint(0)
	for _, n := range r.interfaces {
		if d, ordered := r.orders[n.element]; ordered && (lowest == 0 || d.boot.Order < lowest) {
			boot, lowest = n, d.boot.Order
		}
	}
	return boot
}

// osBootSuffices reports whether <boot dev='network'/> tries those interfaces.
func (r *rewrite) osBootSuffices(chosen []nic) bool {
	return len(r.interfaces) == 0 || len(chosen) == 1 && chosen[0].element == r.interfaces[0].element
}
