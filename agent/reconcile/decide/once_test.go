package decide

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/agent/libvirt/domain"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// once is a document with the mark, as the definition has it or, with libvirt's
// alias of the interface, as the running guest has it.
func once(mark, boot string) []byte {
	taken := "<netboot:boot>" + disk + "</netboot:boot>"
	if boot == disk {
		taken = ""
	}
	return doc(`<metadata><netboot:domain xmlns:netboot="urn:virt-netboot:domain:1.0" once="`+mark+`">`+taken+
		`</netboot:domain></metadata>`, boot, "<alias name='net0'/>")
}

const (
	toDisk  = "boot order hd instead of network, hd"
	started = "it has started from the network once; from now on its boot order is the one without virt-netboot"
	pends   = "marked: the network first at its next start only"
	unmark  = "its mark of virt-netboot once is removed"
)

// step is what a decision does, and the mark after it.
type step struct {
	Define, BootLast []string
	Live             bool // the running guest's record changes
	Once             domainxml.Once
	Refused          bool
}

func stepOf(d Decision) step {
	s := step{BootLast: d.BootLast, Live: d.Record != nil, Once: d.Facts.Once, Refused: d.Refused != nil}
	if d.Define != nil {
		s.Define = texts(d.Changes)
	}
	return s
}

func TestEnforceOnce(t *testing.T) {
	own := doc(`<metadata><netboot:domain xmlns:netboot="urn:virt-netboot:domain:1.0" once="pending"/></metadata>`, net, "<alias name='net0'/>")
	for name, c := range map[string]struct {
		state domain.State
		want  step
	}{
		"waits for its start": {state(once("pending", net), nil), step{Once: "pending"}},
		"marked while it runs": {
			state(once("pending", net), doc("", disk, "")), step{Once: "pending"},
		},
		"has started": {
			state(once("pending", net), once("pending", net)),
			step{Define: []string{started, toDisk}, BootLast: []string{"net0"}, Live: true, Once: "done"},
		},
		"has started, redefined already": {
			state(once("done", disk), once("pending", net)),
			step{BootLast: []string{"net0"}, Live: true, Once: "done"},
		},
		"settled": {state(once("done", disk), once("done", net)), step{Once: "done"}},
		"marked again": {
			state(once("pending", net), once("done", net)), step{Once: "pending"},
		},
		"cancelled after the start": {
			state(doc("", net, ""), once("pending", net)),
			step{BootLast: []string{"net0"}, Live: true},
		},
		"its own document has the network first": {
			state(own, own), step{Define: []string{started}, Live: true, Once: "done"},
		},
		"transient": {
			state(nil, once("pending", net)), step{BootLast: []string{"net0"}, Live: true, Once: "done"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Enforce(domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}, c.state, false)
			if diff := cmp.Diff(c.want, stepOf(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestOnce(t *testing.T) {
	keep := domainxml.DefaultPolicy()
	keep.Rules[0].Boot = domainxml.BootKeep
	for name, c := range map[string]struct {
		policy domainxml.Policy
		state  domain.State
		to     domainxml.Once
		want   step
	}{
		"from the disk": {keep, state(doc("", disk, ""), nil), "pending", step{Define: []string{pends, bootChange}, Once: "pending"}},
		"network first already": {
			domainxml.DefaultPolicy(), state(doc("", net, ""), nil), "pending", step{Define: []string{pends}, Once: "pending"},
		},
		"again":               {keep, state(once("pending", net), nil), "pending", step{Once: "pending"}},
		"after the first":     {keep, state(once("done", disk), nil), "pending", step{Define: []string{pends, bootChange}, Once: "pending"}},
		"cancelled, keep":     {keep, state(once("pending", net), nil), "", step{Define: []string{unmark, toDisk}}},
		"cancelled, network":  {domainxml.DefaultPolicy(), state(once("pending", net), nil), "", step{Define: []string{unmark}}},
		"cancelled when done": {domainxml.DefaultPolicy(), state(once("done", disk), nil), "", step{Define: []string{unmark, bootChange}}},
		"cancelled, unmarked": {keep, state(doc("", disk, ""), nil), "", step{}},
		"reverted":            {keep, state(doc(mark, disk, ""), nil), "pending", step{Refused: true}},
		"transient":           {keep, state(nil, doc("", disk, "")), "pending", step{Refused: true}},
		"not QEMU's": {
			keep, state([]byte(strings.Replace(string(doc("", disk, "")), "'kvm'", "'lxc'", 1)), nil), "pending", step{Refused: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := domainxml.Rewriter{Policy: c.policy}
			got := Once(r, c.state, c.to)
			if diff := cmp.Diff(c.want, stepOf(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got.Define != nil {
				if again := Once(r, state(got.Define, nil), c.to); !again.InSync() {
					t.Errorf("asked for again, it changes %v", again.Changes)
				}
			}
		})
	}
}

// TestUntilInstalled has a guest run that started from the network for its disk was
// blank: a reset is to find the disk, whether or not it is still blank.
func TestUntilInstalled(t *testing.T) {
	policy := domainxml.DefaultPolicy()
	policy.Rules[0].OnlyIf = domainxml.OnlyIfBlankDisk
	rewritten := []byte(strings.Replace(string(once("none", net)), "<devices>",
		"<devices><disk type='file'><source file='/disk'/><target dev='vda'/></disk>", 1))
	for name, c := range map[string]struct {
		head []byte
		err  error
		want step
	}{
		"still blank": {make([]byte, 512), nil, step{BootLast: []string{"net0"}, Live: true}},
		"installed": {
			slices.Concat(make([]byte, 510), []byte{0x55, 0xaa}), nil,
			step{Define: []string{toDisk}, BootLast: []string{"net0"}, Live: true},
		},
		"unreadable": {nil, errors.New("gone"), step{BootLast: []string{"net0"}, Live: true}},
	} {
		t.Run(name, func(t *testing.T) {
			r := domainxml.Rewriter{Policy: policy, ReadDisk: func(domainxml.DiskSource, int) ([]byte, error) { return c.head, c.err }}
			got := Enforce(r, state(rewritten, rewritten), false)
			settled := []byte(strings.Replace(string(rewritten), `once="none"`, `once="done"`, 1))
			if again := Enforce(r, state(rewritten, settled), false); again.BootLast != nil || again.Record != nil {
				t.Errorf("once QEMU knows, it is told again: %v", again.BootLast)
			}
			if diff := cmp.Diff(c.want, stepOf(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
