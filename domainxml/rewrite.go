package domainxml

import (
	"fmt"
	"slices"

	"github.com/virt-netboot/virt-netboot/domainxml/internal/xmltree"
)

// Domain is [Parse] and [Rewriter.Rewrite] in one. A document that cannot be read is a
// [SyntaxError]; the result's Output is then still the document.
func (r Rewriter) Domain(doc []byte, state State) (Result, error) {
	d, err := Parse(doc)
	if err != nil {
		return Result{Output: doc}, err
	}
	return r.Rewrite(d, state)
}

// Rewrite applies the policy to a domain.
func (r Rewriter) Rewrite(d *Document, state State) (res Result, err error) {
	defer unchangedOnPanic(d.Bytes(), &res, &err)
	w := d.begin()
	w.use(r)
	w.state = state
	fresh := d.undoElement == nil
	if w.undo.reverted || fresh && r.reverted(d.domain) {
		w.reverted, w.rule = true, nil
		if !w.undo.reverted {
			w.undo.reverted = true
			w.changed(0, Change{Kind: ChangeMarkedReverted})
			w.writeRecord()
		}
		return w.result(), nil
	}
	if d.remarked != nil {
		w.changed(0, *d.remarked)
	}
	if d.domain.QEMU() {
		w.markOnce(fresh && d.remarked == nil, r.Once)
	}
	if w.observe && d.remarked != nil {
		w.observe = false // the mark changes in mode observe, too
		w.rule = nil
	}
	w.editDomain()
	if len(w.changes) > 0 {
		w.writeRecord()
	}
	return readableAgain(d.Bytes(), w.result())
}

// Device applies the policy to the document of one device, as attach-device and
// update-device have it. domain is the document of the domain that the device is for.
// Rewrites may have changed the boot orders there that the client knows.
func (r Rewriter) Device(device, domain []byte) (res Result, err error) {
	defer unchangedOnPanic(device, &res, &err)
	unchanged := Result{Output: device}
	parsed, err := parse(device)
	if err != nil {
		return unchanged, fmt.Errorf("device: %w", err)
	}
	owner, err := Parse(domain)
	if err != nil {
		return unchanged, fmt.Errorf("domain of the device: %w", err)
	}
	w := &rewrite{view: view{doc: parsed}, domain: owner.domain, edits: xmltree.NewEdits(device)}
	w.use(r)
	if w.reverted = owner.undo.reverted || r.reverted(owner.domain); w.reverted {
		w.rule = nil
	}
	if w.rule != nil && parsed.Root.Name == "interface" {
		w.editFilterref(newNIC(parsed, parsed.Root, 1))
	}
	if !w.reverted {
		w.editDeviceOrder(owner)
	}
	return w.result(), nil
}

// readableAgain refuses a rewrite that has grown too large to be read: it could not be
// reverted.
func readableAgain(doc []byte, res Result) (Result, error) {
	if err := xmltree.CheckSize(res.Output); err != nil {
		return Result{Output: doc}, fmt.Errorf("rewritten: %w", err)
	}
	return res, nil
}

// unchangedOnPanic turns a panic in a rule into an error, as for an unreadable document:
// it must cost no guest its start, nor the agent its clients.
func unchangedOnPanic(doc []byte, res *Result, err *error) {
	if fault := recover(); fault != nil {
		*res, *err = Result{Output: doc}, fmt.Errorf("fault in a rule: %v", fault)
	}
}

// errorOnPanic does the same for a function without a Result.
func errorOnPanic(err *error) {
	if fault := recover(); fault != nil {
		*err = fmt.Errorf("fault in a rule: %v", fault)
	}
}

// rewrite is the work on one document.
type rewrite struct {
	view
	original   *Document // nil for a device's
	domain     Domain
	rule       *Rule
	state      State
	reverted   bool
	observe    bool
	readInitrd func(path string, n int) ([]byte, error)
	readDisk   func(disk DiskSource, n int) ([]byte, error)
	nwfilter   func(name string) NWFilter
	edits      *edits
	undo       undoRecord
	recorded   []undoItem // what the edits change, for the undo record
	changes    []placedChange
	warnings   []Warning

	// How the guest starts after the edits.
	order           string
	first           BootsFrom // without a kernel
	hasRNG          bool      // the rule has added one
	kernel, cmdline string
}

type placedChange struct {
	offset int
	Change
}

// begin starts a rewrite of the document.
func (d *Document) begin() *rewrite {
	w := &rewrite{
		view: d.view, original: d, domain: d.domain, undo: d.undo, edits: d.newEdits(),
		order: d.bootOrder(), kernel: d.os.Kernel, cmdline: d.os.Cmdline,
	}
	withoutKernel := d.view
	withoutKernel.os.Kernel = ""
	w.first = withoutKernel.bootsFrom()
	return w
}

func (v *view) newEdits() *edits { return xmltree.NewEdits(v.doc.Src) }

// use sets the rewriter's policy and functions.
func (r *rewrite) use(from Rewriter) {
	r.rule, r.observe = from.Policy.For(r.domain), from.Policy.Observe
	r.readInitrd, r.readDisk, r.nwfilter = from.ReadInitrd, from.ReadDisk, from.NWFilter
}

func (r Rewriter) reverted(d Domain) bool {
	return r.Reverted != nil && d.UUID != "" && r.Reverted(libvirtUUID(d.UUID))
}

func (r *rewrite) editDomain() {
	if r.rule != nil {
		for _, n := range r.interfaces {
			r.editFilterref(n)
		}
	}
	if r.state == Running || r.os.Type == nil || r.os.Type.Type != "hvm" {
		return
	}
	freed := r.takeOutOurs()
	if r.rule == nil {
		if !freed {
			r.endOnce()
		}
		return
	}
	r.editRNG()
	verdict := r.editKernel()
	switch {
	case freed:
		return
	case r.rule.Boot == BootKeep:
		r.endOnce()
		return
	}
	switch verdict {
	case kernelNone, kernelDropped:
		if r.rule.Boot == BootNetworkIfMissing && r.namesNetwork() {
			r.restoreBoot()
			return
		}
		if w := r.bootsOwnDevice(); w != nil {
			r.warned(*w)
			r.restoreBoot()
			return
		}
		if !r.networkWanted() {
			r.restoreBoot()
			return
		}
		chosen := r.bootNICs()
		if w := r.cannotBoot(chosen); w != nil {
			r.warned(*w)
			r.restoreBoot()
			return
		}
		if r.clientHasChosen() {
			r.warnClientBoot(chosen)
			return
		}
		r.editBootDevices(chosen)
		if len(chosen) == 0 {
			r.warnNoInterface()
		}
		r.warnNetworkBehind()
		r.warnPassedOver(chosen)
		r.warnROM(chosen)
		r.warnFirmwareClient(chosen)
		r.warnNoRNG()
	case kernelIsIPXE, kernelUnblocked:
		r.endOnce()
		r.warnNoInterface()
	case kernelBoots:
		r.endOnce()
	}
}

// editBootDevices applies the boot rule in the notation that the domain uses.
// A domain with both notations is left alone: libvirt refuses it.
func (r *rewrite) editBootDevices(chosen []nic) {
	switch {
	case len(chosen) == 0 && (len(r.interfaces) > 0 || r.rule.BootNIC.Hostdev != ""):
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

// bootsNow sets how the guest boots after the edits.
func (r *rewrite) bootsNow(order string, first BootsFrom) { r.order, r.first = order, first }

func (r *rewrite) warned(w Warning) { r.warnings = append(r.warnings, w) }

// record adds an item to the undo record: a thing that the edits change, with what
// they write.
func (r *rewrite) record(i undoItem) {
	i.was = r.now(i)
	if i.thing == undoBoot {
		i.was = r.pieces(r.osElement.All("boot")) // those that libvirt does not read, too
	}
	r.recorded = append(r.recorded, i)
}

// ofDevice is an item about a device.
func (r *rewrite) ofDevice(thing undoThing, dev *element, wrote []piece) undoItem {
	return undoItem{thing: thing, device: r.doc.deviceID(dev), element: dev, wrote: wrote}
}

// writeRecord writes the undo record, or removes it where it is empty.
func (r *rewrite) writeRecord() {
	r.undo.items = r.merged(r.undo.items, r.recorded)
	switch d := r.original; {
	case !r.undo.empty():
		r.undo.uuid = libvirtUUID(r.domain.UUID)
		r.undo = d.writeUndo(r.edits, r.undo)
	case d.undoElement != nil:
		d.removeUndo(r.edits)
	}
}

func (r *rewrite) result() Result {
	res := Result{
		Domain: r.domain, Rule: r.rule, Reverted: r.reverted, Once: r.undo.once, Observed: r.observe,
		Output: r.doc.Src, Warnings: r.warnings,
	}
	if r.observe {
		res.Start = r.view.start()
	} else {
		res.Output, res.Start = r.edits.Apply(), r.start()
	}
	slices.SortStableFunc(r.changes, func(a, b placedChange) int { return a.offset - b.offset })
	for _, c := range r.changes {
		res.Changes = append(res.Changes, c.Change)
	}
	if r.state == Running && !r.observe {
		res.Updates = r.updates()
		if now := r.undo.metadataForm(); r.original.remarked != nil || now != r.original.undo.metadataForm() {
			res.Record = &now
		}
	}
	return res
}

// start is how the guest starts after the edits.
func (r *rewrite) start() Start {
	s := Start{BootsFrom: r.first, BootOrder: r.order, Kernel: r.kernel, Cmdline: r.cmdline}
	if s.Kernel != "" {
		s.BootsFrom = BootsFromKernel
	}
	return s
}

// updates are the interfaces of a running guest that the edits change.
func (r *rewrite) updates() []InterfaceUpdate {
	var updates []InterfaceUpdate
	for _, n := range r.interfaces {
		if xml := r.edits.Element(n.element); xml != r.doc.Source(n.element) {
			updates = append(updates, InterfaceUpdate{Interface: n.label, XML: xml})
		}
	}
	return updates
}
