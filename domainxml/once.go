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

// WithOnce is the document with another mark; [Rewriter.Rewrite] writes it, and the
// boot order that goes with it: with OnceNone the one that the rules want. A domain
// that is reverted stays as it is.
func (d *Document) WithOnce(to Once) *Document {
	if d.undo.once == to || d.undo.reverted {
		return d
	}
	marked := *d
	marked.undo.once = to
	marked.remarked = &Change{Kind: ChangeOnce, From: string(d.undo.once), To: string(to)}
	return &marked
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
		r.undo.once = marked(libvirtUUID(r.domain.UUID))
	}
	if fresh && r.undo.once != OnceNone {
		r.changed(0, Change{Kind: ChangeOnce, To: string(r.undo.once)})
	}
	r.rule = r.undo.once.rule(r.rule)
}

// endOnce puts the boot order back once the one start is over or no longer wanted.
func (r *rewrite) endOnce() {
	remarked := r.original.remarked
	if r.undo.once == OnceDone || remarked != nil && remarked.Kind == ChangeOnce && remarked.To == string(OnceNone) {
		r.restoreBoot()
	}
}
