package domainxml

// Reverted reports whether a domain was reverted: no rule applies to it until
// [Apply] takes the mark away.
func Reverted(doc []byte) (bool, error) {
	parsed, err := parseDomain(doc)
	if err != nil {
		return false, err
	}
	_, kept := parsed.recordOf()
	return kept.reverted, nil
}

// Revert puts back what rewrites took away and kept in the domain's metadata:
// boot order, kernel, filterrefs. With mark the domain is left alone from then
// on; without it no trace stays. A domain that was never rewritten is only
// marked.
func Revert(doc []byte, mark bool) (res Result, err error) {
	defer unchangedOnPanic(doc, &res, &err)
	parsed, err := parseDomain(doc)
	if err != nil {
		return Result{Output: doc}, err
	}
	el, kept := parsed.recordOf()
	w := &rewrite{view: newView(parsed), domain: newDomain(parsed), edits: edits{src: doc}}
	w.restoreKernel(kept.kernel)
	if w.networkFirstBy(kept) {
		w.restoreBoot(kept, ChangeBootOrder)
	} else {
		w.leaveBoot(kept)
	}
	for _, f := range kept.filterrefs {
		w.restoreFilterref(f)
	}
	w.finishRecord(el, kept, mark)
	return w.result(), nil
}

// Apply takes the mark of [Revert] away.
func Apply(doc []byte) (res Result, err error) {
	defer unchangedOnPanic(doc, &res, &err)
	parsed, err := parseDomain(doc)
	if err != nil {
		return Result{Output: doc}, err
	}
	w := &rewrite{view: view{doc: parsed}, domain: newDomain(parsed), edits: edits{src: doc}}
	if el, kept := parsed.recordOf(); kept.reverted {
		w.finishRecord(el, kept, false)
	}
	return w.result(), nil
}

func (r *rewrite) restoreKernel(elements []string) {
	if len(elements) == 0 || r.osElement.child("type") == nil {
		return
	}
	kind := ChangeCmdlineRestored
	if r.os.Kernel == "" {
		kind = ChangeKernelRestored
	} else if r.os.Cmdline != "" {
		return // somebody has set one since
	}
	osType := r.osElement.child("type")
	r.edits.insertAfter(osType, elements...)
	r.changed(osType.start, Change{Kind: kind})
}

func (r *rewrite) restoreFilterref(f filterrefRecord) {
	dev := r.doc.find([]deviceID{f.deviceID})[f.deviceID]
	if dev == nil {
		return // unplugged since
	}
	label := newNIC(r.doc, dev, f.number).label
	r.changed(dev.start, Change{Kind: ChangeFilterrefRestored, Interface: label})
	if now := dev.child("filterref"); now != nil {
		r.edits.add(now.start, now.end, f.element)
		return
	}
	r.edits.appendChild(dev, f.element)
}

// finishRecord leaves the mark, or nothing of ours.
func (r *rewrite) finishRecord(el *element, kept record, mark bool) {
	switch {
	case mark && !kept.reverted:
		r.edits.writeRecord(r.doc, el, record{reverted: true, newMetadata: kept.newMetadata})
		r.changed(0, Change{Kind: ChangeMarkedReverted})
	case !mark && el != nil:
		r.removeRecord(el, kept)
		r.changed(0, Change{Kind: ChangeRecordRemoved})
	}
}

// removeRecord leaves nothing of ours in the metadata.
func (r *rewrite) removeRecord(el *element, kept record) {
	if kept.newMetadata && len(el.parent.children) == 1 {
		el = el.parent
	}
	r.edits.remove(el)
}

// keepRecord writes what is to be kept from now on, if anything is.
func (r *rewrite) keepRecord(el *element) {
	kept := r.kept.merge(r.taken)
	kept.boot, kept.orders = r.keptBoot()
	switch {
	case !kept.empty():
		r.edits.writeRecord(r.doc, el, kept)
	case el != nil:
		r.removeRecord(el, kept)
	}
}
