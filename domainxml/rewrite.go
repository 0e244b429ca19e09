package domainxml

import (
	"fmt"
	"slices"
	"strings"
)

// Domain applies the policy to a domain document. A document that cannot be
// read is a [SyntaxError]; the result's Output is then still the document.
func (r Rewriter) Domain(doc []byte, state State) (res Result, err error) {
	defer unchangedOnPanic(doc, &res, &err)
	parsed, err := parseDomain(doc)
	if err != nil {
		return Result{Output: doc}, err
	}
	w := r.begin(parsed, newDomain(parsed))
	el, kept := parsed.recordOf()
	if w.reverted = kept.reverted || el == nil && r.reverted(w.domain); w.reverted {
		w.rule = nil
		w.finishRecord(el, kept, true, nil)
		return w.result(), nil
	}
	w.state, w.kept = state, kept
	if w.domain.QEMU() {
		w.markOnce(el == nil, r.Once)
	}
	if w.rule != nil {
		w.view = newView(parsed)
		w.editDomain()
	}
	if len(w.changes) > 0 {
		w.keepRecord(el)
	}
	return w.result(), nil
}

// Device applies the policy to the document of one device, as attach-device and
// update-device carry it. domain is the document of the domain that it is for,
// where rewrites may have moved the boot orders that the device's client knows.
func (r Rewriter) Device(device, domain []byte) (res Result, err error) {
	defer unchangedOnPanic(device, &res, &err)
	unchanged := Result{Output: device}
	parsed, err := parse(device)
	if err != nil {
		return unchanged, fmt.Errorf("device: %w", err)
	}
	owner, err := parseDomain(domain)
	if err != nil {
		return unchanged, fmt.Errorf("domain of the device: %w", err)
	}
	w := r.begin(parsed, newDomain(owner))
	_, kept := owner.recordOf()
	if w.reverted = kept.reverted || r.reverted(w.domain); w.reverted {
		w.rule = nil
	}
	if w.rule != nil && parsed.root.name == "interface" {
		w.editFilterref(newNIC(parsed, parsed.root, 1))
	}
	if !w.reverted {
		w.editDeviceOrder(owner, kept)
	}
	return w.result(), nil
}

// unchangedOnPanic makes a fault of a rule an error like an unreadable document:
// it must not cost anybody a guest, or the agent all of its clients.
func unchangedOnPanic(doc []byte, res *Result, err *error) {
	if fault := recover(); fault != nil {
		*res, *err = Result{Output: doc}, fmt.Errorf("fault in a rule: %v", fault)
	}
}

// errorOnPanic does that for a function without a Result.
func errorOnPanic(err *error) {
	if fault := recover(); fault != nil {
		*err = fmt.Errorf("fault in a rule: %v", fault)
	}
}

func parseDomain(src []byte) (*document, error) {
	doc, err := parse(src)
	if err != nil {
		return nil, err
	}
	if doc.root.name != "domain" {
		return nil, errorAt(src, doc.root.start, "the root element is <%s>, not <domain>", doc.root.name)
	}
	for _, name := range []string{"os", "devices"} {
		if again := doc.root.all(name); len(again) > 1 {
			return nil, errorAt(src, again[1].start, "a second <%s>", name)
		}
	}
	return doc, nil
}

// rewrite is the work on one document.
type rewrite struct {
	view
	domain     Domain
	rule       *Rule
	state      State
	reverted   bool
	observe    bool
	readInitrd func(path string, n int) ([]byte, error)
	readDisk   func(disk DiskSource, n int) ([]byte, error)
	nwfilter   func(name string) NWFilter
	edits      edits
	kept       record // what rewrites before took away
	taken      record // what the edits take away
	changes    []placedChange
	warnings   []Warning
}

type placedChange struct {
	offset int
	Change
}

func (r Rewriter) begin(doc *document, d Domain) *rewrite {
	return &rewrite{
		view:       view{doc: doc},
		domain:     d,
		rule:       r.Policy.For(d),
		observe:    r.Policy.Observe,
		readInitrd: r.ReadInitrd,
		readDisk:   r.ReadDisk,
		nwfilter:   r.NWFilter,
		edits:      edits{src: doc.src},
	}
}

func (r Rewriter) reverted(d Domain) bool {
	return r.Reverted != nil && d.UUID != "" && r.Reverted(libvirtUUID(d.UUID))
}

// libvirtUUID is a UUID as libvirt writes it. It reads others with capitals, and
// with hyphens and spaces anywhere or nowhere (virUUIDParse in
// src/util/viruuid.c).
func libvirtUUID(s string) string {
	digits := strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(s))
	if len(digits) != 32 {
		return s
	}
	return strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")
}

func (r *rewrite) editDomain() {
	for _, n := range r.interfaces {
		r.editFilterref(n)
	}
	if r.state == Running || r.os.Type == nil || r.os.Type.Type != "hvm" {
		return
	}
	verdict := r.editKernel()
	if r.kept.once == OnceDone {
		r.restoreTakenBoot()
	}
	if r.rule.Boot == BootKeep {
		return
	}
	switch verdict {
	case kernelNone, kernelDropped:
		if !r.networkWanted() {
			r.restoreTakenBoot()
			return
		}
		r.editBootDevices()
		r.warnNoInterface()
		r.warnROM()
	case kernelIsIPXE, kernelUnblocked:
		r.warnNoInterface()
	}
}

// editBootDevices applies the boot rule in the notation that the domain uses.
// With both notations at once libvirt refuses the domain, so it is left alone.
func (r *rewrite) editBootDevices() {
	chosen := r.bootNICs()
	switch {
	case len(chosen) == 0 && len(r.interfaces) > 0:
		r.warned(Warning{Kind: WarningNoBootNIC})
	case len(r.ordered) == 0 && validBoots(r.boots) && r.osBootSuffices(chosen):
		r.editBoot()
	case len(r.ordered) == 0 && validBoots(r.boots):
		r.replaceBoot(chosen)
	case len(r.boots) == 0 && validOrder(r.ordered) && len(chosen) > 0:
		r.editBootOrder(chosen)
	}
}

func (r *rewrite) changed(offset int, c Change) {
	r.changes = append(r.changes, placedChange{offset, c})
}

func (r *rewrite) warned(w Warning) { r.warnings = append(r.warnings, w) }

func (r *rewrite) result() Result {
	res := Result{
		Domain: r.domain, Rule: r.rule, Reverted: r.reverted, Once: r.kept.once, Observed: r.observe,
		Output: r.edits.src, Warnings: r.warnings,
	}
	if !r.observe {
		res.Output = r.edits.apply()
	}
	slices.SortStableFunc(r.changes, func(a, b placedChange) int { return a.offset - b.offset })
	for _, c := range r.changes {
		res.Changes = append(res.Changes, c.Change)
	}
	return res
}
