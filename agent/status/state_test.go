package status

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/agent/reconcile"
)

func TestStateOf(t *testing.T) {
	note := []reconcile.Note{{Kind: "boot-order"}}
	// Each domain has what makes up its state, and all that comes after it.
	d := reconcile.DomainStatus{Rule: "default"}
	var got []State
	for _, add := range []func(){
		func() {},
		func() { d.Warnings = note },
		func() { d.Pending = note },
		func() { d.Rule = "" },
		func() { d.Wanted = note },
		func() { d.Reverted = true },
		func() { d.LeftAloneUntil = noon() },
		func() { d.Error = "x" },
	} {
		add()
		got = append([]State{StateOf(d)}, got...)
	}
	if diff := cmp.Diff(States(), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
