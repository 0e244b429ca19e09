package domainxml

import "slices"

// ipxeScript is how an iPXE script begins (script_probe in iPXE's
// src/image/script.c).
const ipxeScript = "#!ipxe"

// kernelVerdict is what the kernel rule decides.
type kernelVerdict int

const (
	kernelNone      kernelVerdict = iota // without a kernel the boot order applies
	kernelBoots                          // the kernel takes precedence; iPXE never runs
	kernelDropped                        // kernel, initrd and cmdline go
	kernelIsIPXE                         // the kernel is iPXE and reads its script
	kernelUnblocked                      // the same, once its cmdline is gone
)

// decideKernel is the kernel rule. A running guest always keeps its kernel: see Active.
func decideKernel(kernel, cmdline string, script bool, rule Rule, state State) kernelVerdict {
	switch {
	case kernel == "":
		return kernelNone
	case script && rule.IPXEKernel && (cmdline == "" || state == Active):
		return kernelIsIPXE
	case script && rule.IPXEKernel:
		return kernelUnblocked
	case rule.Kernel == KernelDrop && state == Inactive:
		return kernelDropped
	}
	return kernelBoots
}

func (r *rewrite) editKernel() kernelVerdict {
	os := r.os
	rule := *r.rule
	rescued := r.rescueDisk() != nil && rule.Boot != BootNetworkAlways
	if rescued {
		rule.Kernel = KernelWarn // it is the rescue's, too
	}
	verdict := decideKernel(os.Kernel, os.Cmdline, r.isIPXEScript(os.Initrd), rule, r.state)
	switch verdict {
	case kernelBoots:
		switch {
		case rule.Boot == BootKeep:
		case rescued:
			r.warned(*r.bootsOwnDevice())
		case rule.Kernel == KernelWarn:
			r.warned(Warning{Kind: WarningKernel, Kernel: os.Kernel, Initrd: os.Initrd})
		}
	case kernelDropped:
		r.removeKernel(kernelElements()...)
		r.kernel, r.cmdline = "", ""
		r.changed(r.osElement.Child("kernel").Start, Change{Kind: ChangeKernelDropped, From: os.Kernel})
	case kernelUnblocked:
		r.removeKernel("cmdline")
		r.cmdline = ""
		r.changed(r.osElement.Child("cmdline").Start, Change{Kind: ChangeCmdlineRemoved, From: os.Cmdline})
	}
	return verdict
}

// kernelElements are a kernel's elements in <os>.
func kernelElements() []string { return []string{"kernel", "initrd", "cmdline", "shim"} }

// removeKernel removes the elements of those names from <os>, and records them.
func (r *rewrite) removeKernel(names ...string) {
	item := undoItem{thing: undoKernel}
	item.was = r.now(item)
	for _, p := range item.was {
		if !slices.ContainsFunc(names, p.is) {
			item.wrote = append(item.wrote, p)
		}
	}
	r.recorded = append(r.recorded, item)
	for _, name := range names {
		for _, el := range r.osElement.All(name) {
			r.edits.Remove(el)
		}
	}
}

func (r *rewrite) isIPXEScript(initrd string) bool {
	if initrd == "" || r.readInitrd == nil || !r.rule.IPXEKernel {
		return false
	}
	head, err := r.readInitrd(initrd, len(ipxeScript))
	return err == nil && string(head) == ipxeScript
}
