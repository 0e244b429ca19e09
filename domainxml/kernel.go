package domainxml

// ipxeScript is how an iPXE script begins (script_probe in iPXE's
// src/image/script.c).
const ipxeScript = "#!ipxe"

// kernelVerdict is what the kernel rule decides.
type kernelVerdict int

const (
	kernelNone      kernelVerdict = iota // nothing in the way of the boot order
	kernelBoots                          // the kernel takes precedence; iPXE never runs
	kernelDropped                        // kernel, initrd and cmdline are to go
	kernelIsIPXE                         // the kernel is iPXE and reads its script
	kernelUnblocked                      // the same, once its cmdline is gone
)

// decideKernel is the kernel rule. A running guest keeps its kernel whatever the
// rule says: see Active.
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
	verdict := decideKernel(os.Kernel, os.Cmdline, r.isIPXEScript(os.Initrd), *r.rule, r.state)
	switch verdict {
	case kernelBoots:
		if r.rule.Boot != BootKeep && r.rule.Kernel == KernelWarn {
			r.warned(Warning{Kind: WarningKernel, Kernel: os.Kernel, Initrd: os.Initrd})
		}
	case kernelDropped:
		for _, name := range kernelElements() {
			r.removeFromOS(name)
		}
		r.changed(r.osElement.child("kernel").start, Change{Kind: ChangeKernelDropped, From: os.Kernel})
	case kernelUnblocked:
		r.removeFromOS("cmdline")
		r.changed(r.osElement.child("cmdline").start, Change{Kind: ChangeCmdlineRemoved, From: os.Cmdline})
	}
	return verdict
}

// kernelElements are those of <os> that a kernel comes with.
func kernelElements() []string { return []string{"kernel", "initrd", "cmdline", "shim"} }

func (r *rewrite) removeFromOS(name string) {
	for _, el := range r.osElement.all(name) {
		r.taken.kernel = append(r.taken.kernel, r.doc.source(el))
		r.edits.remove(el)
	}
}

func (r *rewrite) isIPXEScript(initrd string) bool {
	if initrd == "" || r.readInitrd == nil || !r.rule.IPXEKernel {
		return false
	}
	head, err := r.readInitrd(initrd, len(ipxeScript))
	return err == nil && string(head) == ipxeScript
}
