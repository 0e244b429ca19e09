package domainxml

// Once says how far a domain is that is to try the network first for one start
// only, as Redfish's BootSourceOverrideEnabled "Once" has it. It is kept in the
// domain's metadata, so that it outlives the agent.
type Once string

// How far it is.
const (
	OnceNone Once = ""
	// OncePending: the network comes first at the next start, whatever the rule
	// says.
	OncePending Once = "pending"
	// OnceDone: the guest has started so. The boot order is the one that was there
	// without virt-netboot, and the rule's boot order is left out of account.
	OnceDone Once = "done"
)

// OnceOf returns how far a domain is; a document that cannot be read is as far as
// one without a mark.
func OnceOf(doc []byte) Once {
	parsed, err := parseDomain(doc)
	if err != nil {
		return OnceNone
	}
	_, kept := parsed.recordOf()
	return kept.once
}

// SetOnce changes the mark in a document. The boot order that goes with it is made
// by [Rewriter.Domain] from what comes out; with OnceNone it is first put back to
// what it was without virt-netboot. A domain that is reverted stays as it is.
func SetOnce(doc []byte, to Once) (res Result, err error) {
	defer unchangedOnPanic(doc, &res, &err)
	parsed, err := parseDomain(doc)
	if err != nil {
		return Result{Output: doc}, err
	}
	el, kept := parsed.recordOf()
	w := &rewrite{view: newView(parsed), domain: newDomain(parsed), kept: kept, reverted: kept.reverted, edits: edits{src: doc}}
	if kept.once == to || kept.reverted {
		return w.result(), nil
	}
	w.changed(0, Change{Kind: ChangeOnce, From: string(kept.once), To: string(to)})
	w.kept.once = to
	if to == OnceNone {
		w.restoreTakenBoot()
	}
	w.keepRecord(el)
	return w.result(), nil
}

// rule is a rule as the mark has it; nil stands for a domain that none fits.
func (o Once) rule(rule *Rule) *Rule {
	if o == OnceNone {
		return rule
	}
	marked := Rule{Name: "once", Filterref: Filterref{Action: FilterrefKeep}, Kernel: KernelWarn, Unprepared: UnpreparedWarn}
	if rule != nil {
		marked = *rule
	}
	marked.Boot, marked.OnlyIf = BootNetworkFirst, OnlyIfAlways
	if o == OnceDone {
		marked.Boot = BootKeep
	}
	return &marked
}

// markOnce gives a new document of a domain the mark that it had where it was defined.
func (r *rewrite) markOnce(fresh bool, marked func(uuid string) Once) {
	if fresh && marked != nil && r.domain.UUID != "" {
		r.kept.once = marked(libvirtUUID(r.domain.UUID))
	}
	if fresh && r.kept.once != OnceNone {
		r.changed(0, Change{Kind: ChangeOnce, To: string(r.kept.once)})
	}
	r.rule = r.kept.once.rule(r.rule)
}

// restoreTakenBoot puts the boot order back that rewrites took away, unless
// somebody has set another one since.
func (r *rewrite) restoreTakenBoot() {
	if r.networkFirstBy(r.kept) {
		r.restoreBoot(r.kept, ChangeBootOrderRestored)
	}
	r.kept.boot, r.kept.orders = nil, nil
}

// InterfaceAliases are the names that libvirt gives to the interfaces of a running
// guest and QEMU to their devices: net0, net1, …
func InterfaceAliases(live []byte) ([]string, error) {
	parsed, err := parseDomain(live)
	if err != nil {
		return nil, err
	}
	var aliases []string
	for _, nic := range parsed.root.child("devices").all("interface") {
		if name := parsed.attr(nic.child("alias"), "name"); name != "" {
			aliases = append(aliases, name)
		}
	}
	return aliases, nil
}

// NetworkFirstByRule reports whether a document has the network first because a
// rewrite has put it there.
func NetworkFirstByRule(doc []byte) bool {
	parsed, err := parseDomain(doc)
	if err != nil {
		return false
	}
	_, kept := parsed.recordOf()
	v := newView(parsed)
	return v.networkFirstBy(kept)
}
