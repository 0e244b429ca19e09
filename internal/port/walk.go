package port

// outcome is what becomes of a frame in a chain. More than one can be so where a rule
// asks what is not known.
type outcome struct {
	accepted, dropped, returned bool
	// drop is the first rule that drops the frame, and doubt the first one of which it
	// is not known whether the frame meets it.
	drop, doubt string
}

// add adds what may happen too.
func (o *outcome) add(other outcome) {
	o.accepted = o.accepted || other.accepted
	o.dropped = o.dropped || other.dropped
	o.returned = o.returned || other.returned
	o.drop = first(o.drop, other.drop)
	o.doubt = first(o.doubt, other.doubt)
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// maxDepth is how deep chains call each other here. The kernel refuses loops, so a dump
// with one is not from a kernel.
const maxDepth = 64

// base sends a frame through a chain that the kernel calls. Where that is not there,
// the frame passes.
func (s ruleset) base(p packet, tableName, chainName string) outcome {
	t := s.tables[tableName]
	if t[chainName] == nil {
		return outcome{accepted: true}
	}
	return s.walk(p, t, chainName, 0)
}

// walk sends a frame through a chain.
func (s ruleset) walk(p packet, t table, name string, depth int) outcome {
	c := t[name]
	if c == nil || depth > maxDepth {
		return unknown(name)
	}
	var o outcome
	for _, r := range c.rules {
		met := r.meets(p, s)
		if met == no {
			continue
		}
		hit, goesOn := s.hit(p, t, r, depth)
		if met == maybe && hit != (outcome{}) {
			o.doubt = first(o.doubt, r.text)
		}
		o.add(hit)
		if met == yes && !goesOn {
			return o
		}
	}
	o.add(end(name, c.policy))
	return o
}

// end is what a chain's policy does to a frame that no rule stopped. In a user's chain
// of iptables that is "-", and in one of ebtables ACCEPT is the usual one, which does
// not return.
func end(name, policy string) outcome {
	switch policy {
	case "ACCEPT":
		return outcome{accepted: true}
	case "DROP":
		return outcome{dropped: true, drop: "the policy DROP of " + name}
	}
	return outcome{returned: true}
}

// hit is what a rule does to a frame that meets it, and whether the frame may go on to
// the next rule. A rule without an effect has no outcome.
func (s ruleset) hit(p packet, t table, r rule, depth int) (o outcome, goesOn bool) {
	switch r.target {
	case "ACCEPT":
		return outcome{accepted: true}, false
	case "DROP", "REJECT":
		return outcome{dropped: true, drop: r.text}, false
	case "RETURN":
		return outcome{returned: true}, false
	case "", "CONTINUE", "LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "mark", "CT", "NOTRACK", "CHECKSUM", "TCPMSS", "CLASSIFY", "DSCP", "TOS", "SET", "TRACE":
		return outcome{}, true
	}
	if t[r.target] == nil {
		return unknown(r.text), true
	}
	o = s.walk(p, t, r.target, depth+1)
	if r.leaves {
		return o, false
	}
	goesOn = o.returned
	o.returned = false
	return o, goesOn
}

// unknown is the outcome of a rule whose target this package does not know.
func unknown(rule string) outcome {
	return outcome{accepted: true, dropped: true, drop: rule, doubt: rule}
}
