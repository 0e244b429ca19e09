package hooks

import (
	"strings"
	"testing"
)

// With any document, the hook fails only where the policy denies, and prints a whole
// document or nothing.
func FuzzHandle(f *testing.F) {
	for _, name := range []string{"unprepared.xml", "prepared.xml", "kernel.xml", "lxc.xml", "deny.yaml"} {
		for _, o := range []Operation{Prepare, Migrate, Restore, "reconnect"} {
			f.Add(read(f, name), string(o), false)
			f.Add(read(f, name), string(o), true)
		}
	}
	f.Fuzz(func(t *testing.T, document, operation string, deny bool) {
		config := "testdata/enforce.yaml"
		if deny {
			config = "testdata/deny.yaml"
		}
		h, out := handler(t, config, strings.NewReader(document))
		status := h.Handle(call(Operation(operation)))
		denied := deny && operation == string(Prepare) && status == 1
		if status != 0 && !denied {
			t.Errorf("status %d", status)
		}
		if denied != (out.stderr.Len() > 0) || denied && out.stdout.Len() > 0 {
			t.Errorf("denied %v, but stdout %q and stderr %q", denied, &out.stdout, &out.stderr)
		}
		if out.stdout.Len() == 0 {
			return
		}
		again, repeated := handler(t, config, &out.stdout)
		if status := again.Handle(call(Operation(operation))); status != 0 || repeated.stdout.Len() > 0 {
			t.Errorf("what it printed is changed again to %q, or refused (%d)", &repeated.stdout, status)
		}
	})
}
