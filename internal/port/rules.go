package port

import (
	"fmt"
	"net/netip"
	"strings"
)

// ruleset is the dump of one program: of ebtables-save, iptables-save or
// ip6tables-save.
type ruleset struct {
	bridge bool // ebtables: -s and -d are MAC addresses, -p is an EtherType
	tables map[string]table
	sets   map[string][]netip.Prefix // ipset's members, by name
}

type table map[string]*chain // by name

// chain is a list of rules. Only a chain that the kernel calls has a policy.
type chain struct {
	policy string
	rules  []rule
}

// rule is a line of a dump.
type rule struct {
	text    string // as dumped, without -A
	matches []match
	target  string // ACCEPT, DROP, a chain, …; empty where it has none
	leaves  bool   // -g: the chain's end is the end of the calling chain, too
}

// parseRules reads what ebtables-save or iptables-save printed. A line that it does
// not understand is an error, since a rule that is left out changes every verdict.
func parseRules(dump string) (ruleset, error) {
	set := ruleset{tables: map[string]table{}}
	var current table
	for number, line := range strings.Split(dump, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line == "COMMIT":
			continue
		case line[0] == '*':
			current = table{}
			set.tables[line[1:]] = current
			continue
		case current == nil:
			return ruleset{}, fmt.Errorf("line %d: %q is in no table", number+1, line)
		}
		if err := current.add(line); err != nil {
			return ruleset{}, fmt.Errorf("line %d: %w", number+1, err)
		}
	}
	return set, nil
}

func (t table) add(line string) error {
	words, err := split(line)
	if err != nil {
		return err
	}
	switch {
	case line[0] == ':' && len(words) >= 2:
		t[words[0][1:]] = &chain{policy: words[1]}
	case words[0] == "-A" && len(words) >= 2 && t[words[1]] != nil:
		r, err := parseRule(words[2:])
		if err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
		r.text = strings.TrimPrefix(line, "-A ")
		t[words[1]].rules = append(t[words[1]].rules, r)
	default:
		return fmt.Errorf("%q is neither a chain nor a rule of one", line)
	}
	return nil
}

// split cuts a line into words. iptables-save quotes a comment as a string of C.
func split(line string) ([]string, error) {
	var words []string
	for line = strings.TrimLeft(line, " "); line != ""; line = strings.TrimLeft(line, " ") {
		if line[0] != '"' {
			word, rest, _ := strings.Cut(line, " ")
			words, line = append(words, word), rest
			continue
		}
		end := 1
		for end < len(line) && line[end] != '"' {
			if line[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(line) {
			return nil, fmt.Errorf("%q has a quote that does not end", line)
		}
		words, line = append(words, line[1:end]), line[end+1:]
	}
	return words, nil
}

// parseRule reads the words after a rule's chain. A "!" stands before the option
// (iptables) or before its value (ebtables).
func parseRule(words []string) (rule, error) {
	var r rule
	not := false
	for i := 0; i < len(words); {
		option := words[i]
		i++
		if option == "!" {
			not = true
			continue
		}
		if !strings.HasPrefix(option, "-") {
			return rule{}, fmt.Errorf("%q is not an option", option)
		}
		m := match{option: option, not: not}
		not = false
		for ; i < len(words); i++ {
			if words[i] == "!" && len(m.values) == 0 && i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") {
				m.not = true
				continue
			}
			if words[i] == "!" || strings.HasPrefix(words[i], "-") && len(words[i]) > 1 {
				break
			}
			m.values = append(m.values, words[i])
		}
		switch {
		case option == "-j" || option == "-g":
			if len(m.values) != 1 {
				return rule{}, fmt.Errorf("%s has %d targets", option, len(m.values))
			}
			r.target, r.leaves = m.values[0], option == "-g"
			return r, nil // what follows are the target's own options
		default:
			r.matches = append(r.matches, m)
		}
	}
	return r, nil
}

// addSets reads what `ipset save` printed: the networks and addresses in each set.
func (s *ruleset) addSets(dump string) {
	s.sets = map[string][]netip.Prefix{}
	for line := range strings.SplitSeq(dump, "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) >= 3 && words[0] == "create":
			s.sets[words[1]] = nil
		case len(words) >= 3 && words[0] == "add":
			if prefix, err := parsePrefix(words[2]); err == nil {
				s.sets[words[1]] = append(s.sets[words[1]], prefix)
			}
		}
	}
}

func parsePrefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// member answers whether a frame's address is in a set of addresses.
func (s ruleset) member(p packet, name, direction string) answer {
	members, ok := s.sets[name]
	a := p.from
	if direction == "dst" {
		a = p.to
	}
	if !ok || direction != "src" && direction != "dst" {
		return maybe
	}
	for _, m := range members {
		if a.IsValid() && m.Contains(a) {
			return yes
		}
	}
	return no
}
