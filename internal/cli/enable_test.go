package cli

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

func TestAsk(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "Yes\n": true, "y": true, "\n": false, "": false, "n\n": false, "yess\n": false} {
		err := ask(strings.NewReader(answer), io.Discard, "?")
		if got := err == nil; got != want {
			t.Errorf("%q: %v", answer, err)
		}
		if err != nil && exitStatus(err) != exitFailure {
			t.Errorf("%q: exit status %d", answer, exitStatus(err))
		}
	}
}

// TestEnableWithoutTerminal: nothing is asked where nothing can be answered, and nothing
// is done.
func TestEnableWithoutTerminal(t *testing.T) {
	cmd := newEnable()
	cmd.SetIn(strings.NewReader("y\n"))
	err := enableOptions{}.consent(cmd, config.Default(), true)
	if usage := (*usageError)(nil); !errors.As(err, &usage) || !strings.Contains(err.Error(), "--yes") || exitStatus(err) != exitInput {
		t.Errorf("error %v", err)
	}
}

// TestPlannedKinds counts domains, not changes.
func TestPlannedKinds(t *testing.T) {
	p := planned{Domains: []plannedDomain{
		{Changes: []domainxml.Change{{Kind: "filterref-removed"}, {Kind: "filterref-removed"}, {Kind: "boot-order"}}},
		{Changes: []domainxml.Change{{Kind: "boot-order"}}, LiveChanges: []domainxml.Change{{Kind: "filterref-removed"}}},
		{LiveChanges: []domainxml.Change{{Kind: "filterref-removed"}}},
		{},
	}}
	if got, want := p.kinds(), "  boot-order: 2\n  filterref-removed: 3\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
