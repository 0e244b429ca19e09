package novatemplate

import "github.com/virt-netboot/virt-netboot/domainxml"

// PossibleRules returns the rules, as far as they make a difference to Edit,
// that may have made a text what it is, whether it is a template or not.
func PossibleRules(text []byte) []domainxml.Rule {
	actions := []domainxml.Filterref{{Action: domainxml.FilterrefKeep}, {Action: domainxml.FilterrefRemove}}
	if t, err := parse(text); err == nil {
		for _, ref := range t.filterrefs {
			start, end, _ := ref.attribute(t.markup, "filter")
			var replaced domainxml.Filterref
			if replaced.UnmarshalText([]byte("replace:"+string(text[start:end]))) == nil {
				actions = append(actions, replaced)
			}
		}
	}
	var rules []domainxml.Rule
	for _, boot := range []domainxml.Boot{domainxml.BootKeep, domainxml.BootNetworkFirst} {
		for _, filterref := range actions {
			rules = append(rules, domainxml.Rule{Boot: boot, Filterref: filterref})
		}
	}
	return rules
}
