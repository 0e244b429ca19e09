package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// TestRemarks: a rule that matches by what this machine's Nova writes nowhere decides about
// no domain, and so does one behind another for all. Where its Nova is not known, it says
// so.
func TestRemarks(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "usr/lib/python3/dist-packages/nova-26.2.2.egg-info"), 0o755); err != nil {
		t.Fatal(err)
	}
	rules := []domainxml.Rule{
		{Name: "opt-in", Match: domainxml.Match{ExtraSpecs: map[string]string{"netboot:enabled": "true"}}},
		{Name: "all"},
		{Name: "lab", Match: domainxml.Match{Project: []string{"lab-*"}}},
	}
	want := []string{
		`warning: rule "lab" is never reached: "all" before it matches every domain`,
		`warning: rule "opt-in" matches no domain of this node's Nova 26.2.2, which writes no extra_specs into them; Nova 2025.1 (31.0.0) and later do`,
	}
	if diff := cmp.Diff(want, remarks(rules, root)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	want = []string{
		want[0],
		`note: rule "opt-in" matches by extra_specs, which Nova writes into domains from 2025.1 (31.0.0) on; the version of this node's Nova is not known`,
	}
	if diff := cmp.Diff(want, remarks(rules, t.TempDir())); diff != "" {
		t.Errorf("without a Nova (-want +got):\n%s", diff)
	}
}
