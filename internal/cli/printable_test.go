package cli

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/reconcile/decide"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/doctor"
)

// TestPrintable: every command escapes names and paths that others chose.
func TestPrintable(t *testing.T) {
	const name, shown = "vm\x1b[2J\nok", `vm\x1b[2J ok`
	changes := []domainxml.Change{{Kind: domainxml.ChangeKernelDropped, From: name}}
	warnings := []domainxml.Warning{{Kind: domainxml.WarningNoInterface}}
	settled := decide.Decision{
		State: libvirt.State{Domain: libvirt.Domain{Name: name}}, Changes: changes, LiveChanges: changes,
		Facts: decide.Facts{Pending: changes, Warnings: warnings},
	}
	for _, tc := range []struct{ what, text, want string }{
		{
			"revert, apply, once", syncCommand{}.describe(settled, []decide.Decision{settled}),
			shown + ": kernel " + shown + " removed\n" +
				shown + ": in the running guest: kernel " + shown + " removed\n" +
				shown + ": at its next start: kernel " + shown + " removed\n" +
				shown + ": warning: has no network interface to boot from\n",
		},
		{"revert of nothing", syncCommand{none: "nothing"}.describe(settled, nil), shown + ": nothing\n"},
		{
			"plan", plannedDomain{Name: name, Pending: list(changes), Warnings: list(warnings), Error: errors.New(name).Error()}.notes(),
			shown + ": at its next start: kernel " + shown + " removed\n" +
				shown + ": warning: has no network interface to boot from\n" +
				shown + ": left alone: its document cannot be read: " + shown + "\n",
		},
		{
			"doctor", string(formatResults([]doctor.Result{{Check: "nova", Level: doctor.Warning, Found: "\x1b[2Jb\nc", Remedy: name}}, false)),
			"warning  nova  \\x1b[2Jb\n               c\n               → " + shown + "\n",
		},
	} {
		if diff := cmp.Diff(tc.want, tc.text); diff != "" {
			t.Errorf("%s, -want +got:\n%s", tc.what, diff)
		}
	}
}
