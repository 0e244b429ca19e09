package domainxml_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// TestRestoreKernel has what the rules take from <os> put back. A kernel that
// somebody has set since stays: libvirt boots the first of two.
func TestRestoreKernel(t *testing.T) {
	const (
		kernel = "<kernel>/k</kernel><initrd>/i</initrd>"
		ipxe   = "<kernel>/ipxe.lkrn</kernel><initrd>/script</initrd>"
		root   = "<cmdline>root=/dev/vda</cmdline>"
	)
	type step = func(*story)
	drop := func(s *story) { s.define(dropKernel) }
	unblock := func(s *story) { s.define() }
	ofIPXE := func(s *story) { s.define(dropKernel, func(r *domainxml.Rule) { r.IPXEKernel = false }) }
	set := func(elements string) step { return func(s *story) { s.setKernel(elements) } }
	for name, c := range map[string]struct {
		before string
		steps  []step
		want   string
		says   string
	}{
		"dropped":            {kernel + root, []step{drop}, kernel + root, "kernel put back"},
		"dropped, two of it": {kernel + "<kernel>/l</kernel>", []step{drop}, "<kernel>/k</kernel><kernel>/l</kernel><initrd>/i</initrd>", "kernel put back"},
		"dropped, another set since": {
			kernel, []step{drop, set("<kernel>/k2</kernel>" + root)}, "<kernel>/k2</kernel>" + root,
			"kernel /k not put back, as somebody has set /k2 since",
		},
		"dropped, set back since": {kernel, []step{drop, set(kernel)}, kernel, ""},
		"dropped, another dropped since": {
			kernel + root, []step{drop, set("<kernel>/k2</kernel>"), drop}, "<kernel>/k2</kernel>", "kernel put back",
		},
		"dropped, an empty one since":   {kernel, []step{drop, set("<kernel></kernel>")}, kernel, "kernel put back"},
		"dropped, a command line since": {kernel + root, []step{drop, set("<cmdline>c</cmdline>")}, "<cmdline>c</cmdline>" + kernel, "kernel put back"},
		"dropped, and rewritten once more": {
			kernel, []step{drop, func(s *story) { s.setOrder("cdrom") }, drop}, kernel, "kernel put back",
		},
		"dropped, an empty one of another name since": {
			kernel, []step{drop, set("<cmdline></cmdline>")}, "<cmdline></cmdline>" + kernel, "kernel put back",
		},
		"dropped, empty ones twice since": {kernel + root + root, []step{drop, set("<cmdline/>")}, kernel + root + root, "kernel put back"},
		"command line":                    {ipxe + root, []step{unblock}, ipxe + root, "kernel command line put back"},
		"command line, empty since":       {ipxe + root, []step{unblock, set(ipxe + "<cmdline/>")}, ipxe + root, "kernel command line put back"},
		"command line, another since": {
			ipxe + root, []step{unblock, set(kernel + "<cmdline>c</cmdline>")}, kernel + "<cmdline>c</cmdline>",
			`kernel command line "root=/dev/vda" not put back, as somebody has set "c" since`,
		},
		"command line, set back since": {ipxe + root, []step{unblock, set(ipxe + root)}, ipxe + root, ""},
		"command line, the kernel gone since": {
			ipxe + root, []step{unblock, set("")}, "", `kernel command line "root=/dev/vda" not put back, as the kernel is gone`,
		},
		"command line, then dropped by another rule": {ipxe + root, []step{unblock, ofIPXE}, ipxe + root, "kernel put back"},
		"command line, then another set and dropped": {
			ipxe + root, []step{unblock, set(kernel + "<cmdline>c</cmdline>"), drop}, kernel + "<cmdline>c</cmdline>", "kernel put back",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, "hd")
			s.setKernel(c.before)
			for _, step := range c.steps {
				step(s)
			}
			before := s.doc
			s.revert()
			if diff := cmp.Diff(c.want, s.kernel()); diff != "" {
				t.Errorf("(-want +got):\n%s\nfrom\n%s", diff, before)
			}
			kernel := slices.DeleteFunc(s.says, func(line string) bool { return !strings.HasPrefix(line, "kernel") })
			if diff := cmp.Diff(c.says, strings.Join(kernel, "; ")); diff != "" {
				t.Errorf("says (-want +got):\n%s", diff)
			}
		})
	}
}
