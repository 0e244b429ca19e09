package domainxml

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Policy decides which rule a domain gets: the first whose Match fits. A domain
// that no rule fits is left alone.
type Policy struct {
	Rules []Rule
	// Observe is mode: observe: a result says what would change, and changes nothing.
	Observe bool
}

// Rule is what a domain must look like when it starts.
type Rule struct {
	// Name is the rule's name in logs, status and warnings.
	Name string
	// Match says which domains the rule is for. The zero Match fits every domain.
	Match Match
	// Boot is the wanted boot order.
	Boot Boot
	// OnlyIf is when network-first applies.
	OnlyIf OnlyIf
	// BootNIC is which interfaces try the network.
	BootNIC BootNIC
	// Filterref is what becomes of the nwfilter references of the interfaces.
	Filterref Filterref
	// Kernel is what becomes of a kernel that libvirt would boot directly.
	Kernel Kernel
	// IPXEKernel removes the command line where the initrd is an iPXE script,
	// since ipxe.lkrn ignores the script when it has one.
	IPXEKernel bool
	// RNG is what becomes of the random number generator of a UEFI guest.
	RNG RNG
	// Unprepared is what the hook does when a domain is about to start that is not in
	// sync.
	Unprepared Unprepared
}

// DefaultRule is the rule for every domain where there is no configuration. Keys that a
// configured rule omits have its values.
func DefaultRule() Rule {
	return Rule{
		Name:       "default",
		Boot:       BootNetworkFirst,
		OnlyIf:     OnlyIfAlways,
		Filterref:  Filterref{Action: FilterrefRemove},
		Kernel:     KernelWarn,
		IPXEKernel: true,
		RNG:        RNGKeep,
		Unprepared: UnpreparedWarn,
	}
}

// DefaultPolicy is one rule for every domain.
func DefaultPolicy() Policy {
	return Policy{Rules: []Rule{DefaultRule()}}
}

// For returns the rule of a domain, or nil when none fits.
func (p Policy) For(d Domain) *Rule {
	if !d.QEMU() {
		return nil
	}
	for i := range p.Rules {
		if p.Rules[i].Match.Fits(d) {
			return &p.Rules[i]
		}
	}
	return nil
}

// MayDeny returns a rule with unprepared: deny that may be the domain's, where no more
// than the domain's type and name are known. It is nil where there is none, or where a
// rule before it is the domain's for certain.
func (p Policy) MayDeny(d Domain) *Rule {
	if !d.QEMU() {
		return nil
	}
	for i := range p.Rules {
		switch r := &p.Rules[i]; {
		case fits(r.Match.Name, d.Name) && r.Unprepared == UnpreparedDeny:
			return r
		case r.Match.Fits(d):
			return nil
		}
	}
	return nil
}

// Filters are the nwfilters that the rules name as replacements, each once.
func (p Policy) Filters() []string {
	var names []string
	for _, r := range p.Rules {
		if f := r.Filterref; f.Action == FilterrefReplace && !slices.Contains(names, f.Filter) {
			names = append(names, f.Filter)
		}
	}
	return names
}

// Boot is the value of a rule's boot key.
type Boot string

// The boot orders a rule can ask for.
const (
	BootNetworkFirst     Boot = "network-first"      // the network, then what was there; not before a rescue disk or a CD-ROM
	BootNetworkAlways    Boot = "network-always"     // the network, then what was there, whatever that is
	BootNetworkIfMissing Boot = "network-if-missing" // the same where the network is not in it
	BootKeep             Boot = "keep"               // what was there
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Boot) UnmarshalText(text []byte) error {
	return oneOf(b, text, BootNetworkFirst, BootNetworkAlways, BootNetworkIfMissing, BootKeep)
}

// Kernel is the value of a rule's kernel key.
type Kernel string

// What a rule can do about a kernel.
const (
	KernelWarn Kernel = "warn" // leave it and warn: the guest never tries the network
	KernelDrop Kernel = "drop" // remove kernel, initrd and cmdline
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Kernel) UnmarshalText(text []byte) error {
	return oneOf(k, text, KernelWarn, KernelDrop)
}

// Unprepared is the value of a rule's unprepared key.
type Unprepared string

// What the hook can do about an unprepared domain.
const (
	UnpreparedWarn Unprepared = "warn" // start it and warn
	UnpreparedDeny Unprepared = "deny" // refuse the start
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *Unprepared) UnmarshalText(text []byte) error {
	return oneOf(u, text, UnpreparedWarn, UnpreparedDeny)
}

// FilterrefAction is what a rule does with a <filterref>.
type FilterrefAction string

// What a rule can do with the nwfilter reference of an interface.
const (
	FilterrefRemove  FilterrefAction = "remove"
	FilterrefReplace FilterrefAction = "replace"
	FilterrefKeep    FilterrefAction = "keep"
)

// Filterref is the value of a rule's filterref key: "remove", "keep" or
// "replace:NAME" with the name of an nwfilter.
type Filterref struct {
	Action FilterrefAction
	Filter string // the nwfilter that FilterrefReplace points to
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Filterref) UnmarshalText(text []byte) error {
	const prefix = string(FilterrefReplace) + ":"
	switch s := string(text); {
	case s == string(FilterrefRemove), s == string(FilterrefKeep):
		*f = Filterref{Action: FilterrefAction(s)}
	case strings.HasPrefix(s, prefix):
		name := s[len(prefix):]
		if !isNCName(name) {
			return fmt.Errorf("%q is not the name of an nwfilter: a letter or _, then letters, digits, '.', '-' and '_'", name)
		}
		*f = Filterref{Action: FilterrefReplace, Filter: name}
	default:
		return fmt.Errorf("%q is not one of remove, keep, replace:NAME", s)
	}
	return nil
}

// isNCName reports whether s is an XML name without a colon, which is what
// libvirt's schema takes as the name of an nwfilter
// (filter-node-attributes in src/conf/schemas/nwfilter.rng).
func isNCName(s string) bool {
	for i, r := range s {
		first := r == '_' || unicode.IsLetter(r)
		if !first && (i == 0 || r != '.' && r != '-' && !unicode.IsDigit(r)) {
			return false
		}
	}
	return s != ""
}

// MarshalText implements encoding.TextMarshaler.
func (f Filterref) MarshalText() ([]byte, error) {
	if f.Action == FilterrefReplace {
		return []byte("replace:" + f.Filter), nil
	}
	return []byte(f.Action), nil
}

func oneOf[T ~string](dst *T, text []byte, allowed ...T) error {
	for _, a := range allowed {
		if string(a) == string(text) {
			*dst = a
			return nil
		}
	}
	return fmt.Errorf("%q is not one of %s", text, join(allowed))
}

func join[T ~string](values []T) string {
	s := ""
	for i, v := range values {
		if i > 0 {
			s += ", "
		}
		s += string(v)
	}
	return s
}
