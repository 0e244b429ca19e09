package hooks

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

func TestParseCall(t *testing.T) {
	want := Call{Domain: "--help", Operation: Migrate}
	for _, args := range [][]string{
		{"--help", "migrate"},
		{"--help", "migrate", "-"},
		{"--help", "migrate", "-", "-"},
		{"--help", "migrate", "begin", "extra", "more", "of a later libvirt"},
	} {
		got, err := ParseCall(args)
		if err != nil {
			t.Errorf("ParseCall(%q): %v", args, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParseCall(%q): %s", args, diff)
		}
	}
	for _, args := range [][]string{nil, {"vm"}} {
		if got, err := ParseCall(args); !errors.Is(err, ErrArguments) {
			t.Errorf("ParseCall(%q) = %v, %v; want ErrArguments", args, got, err)
		}
	}
}

func TestOperation(t *testing.T) {
	type expected struct {
		State   domainxml.State
		Handled bool
	}
	want := map[Operation]expected{
		// virHookQemuOp in libvirt's src/util/virhook.c
		"start": {}, "stopped": {}, "release": {}, "started": {}, "reconnect": {}, "attach": {},
		"prepare": {domainxml.Inactive, true},
		"migrate": {domainxml.Active, true},
		"restore": {domainxml.Active, true},
		// and what it does not know
		"": {}, "-": {}, "Prepare": {}, "prepare2": {},
	}
	got := map[Operation]expected{}
	for o := range want {
		var e expected
		e.State, e.Handled = o.state()
		got[o] = e
		if handled := (Call{Operation: o}).Handled(); handled != e.Handled {
			t.Errorf("Handled at %q: %v, but state says %v", o, handled, e.Handled)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
