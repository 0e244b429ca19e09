package status

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

func TestStateOf(t *testing.T) {
	changes, warnings := []domainxml.Change{{Kind: "boot-order"}}, []domainxml.Warning{{Kind: "kernel"}}
	// Each domain has what makes up its state, and all that comes after it.
	d := reconcile.DomainStatus{Rule: "default"}
	var got []State
	for _, add := range []func(){
		func() {},
		func() { d.Warnings = warnings },
		func() { d.Pending = changes },
		func() { d.Rule = "" },
		func() { d.Wanted = changes },
		func() { d.Reverted = true },
		func() { d.BackingOffUntil = noon() },
		func() { d.Error = "x" },
	} {
		add()
		got = append([]State{StateOf(d)}, got...)
	}
	if diff := cmp.Diff(States(), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	rescued := reconcile.DomainStatus{Rule: "default", Warnings: []domainxml.Warning{{Kind: domainxml.WarningOwnDevice}}}
	if got := StateOf(rescued); got != InSync {
		t.Errorf("a domain that boots from its rescue disk is %s, want %s", got, InSync)
	}
}
