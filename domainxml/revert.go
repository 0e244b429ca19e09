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
// boot order, kernel, filterrefs. What somebody has set since stays. With mark the
// domain is left alone from then on, and the filterrefs of interfaces that are gone
// are kept; without it no trace stays. A domain that was never rewritten is only
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
	gone := w.restoreFilterrefs(kept.filterrefs)
	w.finishRecord(el, kept, mark, gone)
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
	switch el, kept := parsed.recordOf(); {
	case !kept.reverted:
	case len(kept.filterrefs) > 0:
		kept.reverted = false
		w.edits.writeRecord(parsed, el, kept)
		w.changed(0, Change{Kind: ChangeMarkRemoved})
	default:
		w.finishRecord(el, kept, false, nil)
	}
	return w.result(), nil
}

// finishRecord leaves the mark with what could not be put back, or nothing of ours.
func (r *rewrite) finishRecord(el *element, kept record, mark bool, gone []filterrefRecord) {
	if mark && !kept.reverted {
		r.changed(0, Change{Kind: ChangeMarkedReverted})
	}
	switch {
	case mark && len(r.changes) > 0:
		r.edits.writeRecord(r.doc, el, record{reverted: true, newMetadata: kept.newMetadata, filterrefs: gone})
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
	kept := r.kept
	kept.boot, kept.orders = r.keptBoot()
	kept.kernel = keptKernel(kept.kernel, r.taken.kernel)
	kept.filterrefs = r.doc.keepFilterrefs(kept.filterrefs, r.taken.filterrefs)
	switch {
	case !kept.empty():
		r.edits.writeRecord(r.doc, el, kept)
	case el != nil:
		r.removeRecord(el, kept)
	}
}
