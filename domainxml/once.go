package domainxml

// Once is the mark of a domain that tries the network first at one start only, like
// Redfish's BootSourceOverrideEnabled "Once". It is in the undo record, so it outlives
// the agent.
type Once string

// The values of the mark.
const (
	OnceNone Once = ""
	// OncePending: the network comes first at the next start, whatever the rule
	// says.
	OncePending Once = "pending"
	// OnceDone: the guest has started from the network. The boot order is the one
	// without virt-netboot, whatever the rule says.
	OnceDone Once = "done"
)

// WithOnce is the document with another mark. [Rewriter.Rewrite] writes the mark and
// its boot order: with OnceNone the one that the rules want. A reverted domain stays as
// it is.
func (d *Document) WithOnce(to Once) *Document {
	if d.undo.once == to || d.undo.reverted {
		return d
	}
	marked := *d
	marked.undo.once = to
	marked.remarked = &Change{Kind: ChangeOnce, From: string(d.undo.once), To: string(to)}
	return &marked
}

// rule is the rule that applies with the mark; nil where no rule fits.
func (o Once) rule(rule *Rule) *Rule {
	if o == OnceNone {
		return rule
	}
	marked := Rule{Name: "once", Filterref: Filterref{Action: FilterrefKeep}, Kernel: KernelWarn, Unprepared: UnpreparedWarn}
	if rule != nil {
		marked = *rule
	}
	marked.Boot, marked.OnlyIf = BootNetworkAlways, OnlyIfAlways
	if o == OnceDone {
		marked.Boot = BootKeep
	}
	return &marked
}

// markOnce gives a domain's new document the mark that its definition has.
func (r *rewrite) markOnce(fresh bool, marked func(uuid string) Once) {
	if fresh && marked != nil && r.domain.UUID != "" {
		r.undo.once = marked(libvirtUUID(r.domain.UUID))
	}
	if fresh && r.undo.once != OnceNone {
		r.changed(0, Change{Kind: ChangeOnce, To: string(r.undo.once)})
	}
	r.rule = r.undo.once.rule(r.rule)
}

// endOnce puts the boot order back after the one start, or after the mark was removed.
func (r *rewrite) endOnce() {
	remarked := r.original.remarked
	if r.undo.once == OnceDone || remarked != nil && remarked.Kind == ChangeOnce && remarked.To == string(OnceNone) {
		r.restoreBoot()
	}
}
