package domainxml

import "slices"

// keptKernel is what a revert is to put back into <os> after a further rewrite: what
// that took, unless it took nothing, and with a kernel the command line that an
// earlier one had taken from it.
func keptKernel(kept, taken []string) []string {
	switch {
	case len(taken) == 0:
		return kept
	case !named(kept, "kernel") && !named(taken, "cmdline"):
		return append(slices.Clone(taken), kept...)
	}
	return taken
}

func named(elements []string, name string) bool {
	return slices.ContainsFunc(elements, func(source string) bool { return nameAt(source, 1) == name })
}

// ofKernel is what the element of that name says, "" without one.
func ofKernel(elements []string, name string) string {
	for _, source := range elements {
		if d, err := parse([]byte(source)); err == nil && d.root.name == name {
			return d.text(d.root)
		}
	}
	return ""
}

// restoreKernel puts back the kernel that a rewrite dropped, or the command line
// that it took from a kernel. A kernel that somebody has set since stays, and so
// does a command line.
func (r *rewrite) restoreKernel(elements []string) {
	osType := r.osElement.child("type")
	if len(elements) == 0 || osType == nil {
		return
	}
	change, left := Change{Kind: ChangeKernelRestored}, Change{
		Kind: ChangeKernelNotRestored, From: ofKernel(elements, "kernel"), To: r.os.Kernel,
	}
	blocked := r.os.Kernel != ""
	if !named(elements, "kernel") {
		change.Kind = ChangeCmdlineRestored
		left = Change{Kind: ChangeCmdlineNotRestored, From: ofKernel(elements, "cmdline"), To: r.os.Cmdline}
		blocked = r.os.Kernel == "" || r.os.Cmdline != ""
	}
	if blocked {
		if left.From != left.To {
			r.changed(osType.start, left)
		}
		return
	}
	behind := osType
	for _, name := range kernelElements() {
		if all := r.osElement.all(name); len(all) > 0 && all[len(all)-1].start > behind.start {
			behind = all[len(all)-1]
		}
	}
	r.edits.insertAfter(behind, r.missingFromOS(elements)...)
	r.changed(osType.start, change)
}

// missingFromOS are the elements that <os> lacks. An empty one makes room.
func (r *rewrite) missingFromOS(elements []string) []string {
	there := map[string]bool{}
	for _, name := range kernelElements() {
		el := r.osElement.child(name)
		there[name] = r.doc.text(el) != ""
		if el != nil && !there[name] && named(elements, name) {
			r.edits.remove(el)
		}
	}
	return slices.DeleteFunc(slices.Clone(elements), func(source string) bool { return there[nameAt(source, 1)] })
}
