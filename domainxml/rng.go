package domainxml

import (
	"cmp"
	"slices"
	"strings"
)

// RNG is the value of a rule's rng key: the random number generator of a UEFI guest. The
// zero value is RNGKeep.
type RNG string

// What a rule can do about it.
const (
	RNGKeep RNG = "keep" // what was there
	RNGAdd  RNG = "add"  // a virtio one where there is none
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (g *RNG) UnmarshalText(text []byte) error { return oneOf(g, text, RNGKeep, RNGAdd) }

// rngElement is the generator that the rule adds, from the source that libvirt's
// documentation names.
const rngElement = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"

// rngValue tells whether a generator is as the rule adds it.
func (v *view) rngValue(e *element) string {
	backend := ""
	for _, c := range e.Children {
		if c.Local() == "backend" {
			backend = v.doc.Attr(c, "model") + " " + v.doc.Text(c)
		}
	}
	return "rng=" + v.doc.Attr(e, "model") + " " + backend
}

const rngAdded = "rng=virtio random /dev/urandom"

// addedRNGs are the generators that are as the rule adds them.
func (v *view) addedRNGs() []*element {
	return slices.DeleteFunc(slices.Clone(v.doc.Root.Child("devices").All("rng")), func(e *element) bool {
		return v.rngValue(e) != rngAdded
	})
}

// editRNG adds a generator to a guest that needs one and has none. A guest that runs
// elsewhere keeps its devices.
func (r *rewrite) editRNG() {
	devices := r.doc.Root.Child("devices")
	if r.rule.RNG != RNGAdd || r.state != Inactive || devices == nil || !r.isUEFI() || devices.Child("rng") != nil {
		return
	}
	r.record(undoItem{thing: undoRNG, wrote: []piece{{rngElement, rngAdded}}})
	r.edits.AppendChild(devices, rngElement)
	r.hasRNG = true
	r.changed(devices.End, Change{Kind: ChangeRNGAdded})
}

// removeRNG takes a generator out that the rule has added.
func (r *rewrite) removeRNG() {
	for _, e := range r.addedRNGs() {
		r.edits.Remove(e)
	}
	r.changed(r.doc.Root.Child("devices").End, Change{Kind: ChangeRNGRemoved})
}

// warnNoRNG warns of a UEFI guest without random numbers: the firmware of edk2 from 2024
// on does not boot from the network without them.
func (r *rewrite) warnNoRNG() {
	if r.hasRNG || !r.isUEFI() || r.doc.Root.Child("devices").Child("rng") != nil {
		return
	}
	if model := r.cpuWithoutRandom(); model != "" {
		r.warned(Warning{Kind: WarningNoRNG, CPU: model})
	}
}

// isUEFI reports whether the guest's firmware is UEFI, as far as the document says.
func (v *view) isUEFI() bool {
	if v.osElement == nil {
		return false
	}
	loader := v.osElement.Child("loader")
	path := v.doc.Text(loader)
	named := slices.ContainsFunc([]string{"OVMF", "AAVMF", "edk2", "QEMU_EFI"}, func(s string) bool { return strings.Contains(path, s) })
	return v.doc.Attr(v.osElement, "firmware") == "efi" || v.doc.Attr(loader, "type") == "pflash" || named
}

// cpuWithoutRandom is the guest's CPU model where that has no instruction for random
// numbers, RDRAND or RNDR; "" where it has, or may have.
func (v *view) cpuWithoutRandom() string {
	cpu := v.doc.Root.Child("cpu")
	model := v.doc.Text(cpu.Child("model"))
	for _, f := range cpu.All("feature") {
		if v.doc.Attr(f, "name") != "rdrand" {
			continue
		}
		switch v.doc.Attr(f, "policy") {
		case "require", "force", "":
			return ""
		case "disable", "forbid":
			return cmp.Or(model, v.doc.Attr(cpu, "mode"))
		}
	}
	switch v.doc.Attr(cpu, "mode") {
	case "host-passthrough", "host-model", "maximum":
		return ""
	}
	without := map[string][]string{
		// Models of QEMU's target/i386/cpu.c without CPUID_EXT_RDRAND.
		"x86_64": {
			"qemu64", "qemu32", "kvm64", "kvm32", "cpu64-rhel", "486", "pentium", "athlon", "phenom", "n270", "coreduo", "core2duo",
			"Conroe", "Penryn", "Nehalem", "Westmere", "SandyBridge", "Opteron_G",
		},
		// Cores of QEMU's target/arm without ID_AA64ISAR0.RNDR.
		"aarch64": {"cortex-", "neoverse-n1", "a64fx"},
	}
	arch := "x86_64"
	if v.os.Type != nil {
		arch = cmp.Or(v.os.Type.Arch, arch)
	}
	if model == "" && arch == "x86_64" {
		model = "qemu64" // QEMU's default
	}
	if slices.ContainsFunc(without[arch], func(prefix string) bool { return strings.HasPrefix(model, prefix) }) {
		return model
	}
	return ""
}
