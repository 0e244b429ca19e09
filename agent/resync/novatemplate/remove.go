package novatemplate

import "bytes"

// applyRemovals takes the removed elements away, each together with its line if
// it has one to itself. A branch that would be left empty gets a #pass: Cheetah
// refuses a template with an empty branch.
func (e *editor) applyRemovals() {
	passed := map[int]bool{} // by the number of the directive that opens the branch
	for _, el := range e.removed {
		opener, empty := e.emptiedBranch(el)
		pass := empty && !passed[opener]
		passed[opener] = passed[opener] || pass
		e.takeAway(el, pass)
	}
}

func (e *editor) takeAway(el element, pass bool) {
	start, end := el.start, el.end
	space, alone := indent(e.src, start)
	eol := end + endOfLine(e.src[end:])
	alone = alone && len(bytes.TrimSpace(e.src[end:eol])) == 0
	switch {
	case pass && alone:
		e.splice(start, end, "#pass", "     ")
	case pass:
		e.splice(start, end, "#pass#", "      ")
	case alone:
		e.splice(start-len(space), min(eol+1, len(e.src)), "", "")
	default:
		e.splice(start, end, "", "")
	}
}

// emptiedBranch returns the number of the directive before a removed element,
// and whether nothing is left between that and the end of its branch.
func (e *editor) emptiedBranch(el element) (opener int, empty bool) {
	opener, from, to := -1, 0, len(e.src)
	for i, d := range e.directives {
		switch {
		case e.isRemoved(d.start):
		case d.start < el.start:
			opener, from = i, d.end
		case to == len(e.src):
			to = d.start
		}
	}
	if opener < 0 {
		return opener, false
	}
	d := e.directives[opener]
	if d.inline {
		to = min(to, d.end+endOfLine(e.src[d.end:]))
		if el.start > to {
			return opener, false
		}
	} else if d.opens == "" && !d.divides || !e.endsBranch(to) {
		return opener, false
	}
	return opener, len(bytes.TrimSpace(e.without(from, to))) == 0
}

func (e *editor) isRemoved(offset int) bool {
	for _, el := range e.removed {
		if offset >= el.start && offset < el.end {
			return true
		}
	}
	return false
}

// endsBranch reports whether the directive at an offset ends a branch.
func (e *editor) endsBranch(offset int) bool {
	for _, d := range e.directives {
		if d.start == offset {
			return d.ends || d.divides
		}
	}
	return false
}

// without returns the markup from start to end without the removed elements.
func (e *editor) without(start, end int) []byte {
	var rest []byte
	for i := start; i < end; i++ {
		if !e.isRemoved(i) {
			rest = append(rest, e.markup[i])
		}
	}
	return rest
}
