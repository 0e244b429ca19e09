package doctor

import (
	"context"
	"strings"
)

// packageManager knows the files of virt-netboot's package as they were installed.
type packageManager struct {
	// knows is a file that is there where it has the package, or could have.
	knows string
	// verify lists the package's files that have changed, in rpm's format, which dpkg
	// has taken over: the third character of a line is 5 where the content has.
	verify []string
	// reinstall brings them back.
	reinstall string
}

// packageManager is the node's; false where it is none of these.
func (h Host) packageManager() (packageManager, bool) {
	for _, m := range []packageManager{
		{"/var/lib/dpkg/info/virt-netboot.md5sums", []string{"dpkg", "--verify", "virt-netboot"}, "apt-get install --reinstall virt-netboot"},
		{"/usr/bin/dnf", []string{"rpm", "--verify", "--nodeps", "virt-netboot"}, "dnf reinstall virt-netboot"},
	} {
		if h.exists(m.knows) {
			return m, true
		}
	}
	return packageManager{}, false
}

// reinstall is how the package's programs come back.
func (h Host) reinstall() string {
	if m, ok := h.packageManager(); ok {
		return m.reinstall
	}
	return "install virt-netboot again"
}

// altered reports whether a file of the package has another content than in the package.
func (h Host) altered(ctx context.Context, path string) bool {
	m, ok := h.packageManager()
	if !ok {
		return false
	}
	out, _ := h.Run(ctx, m.verify[0], m.verify[1:]...) // it fails where a file has changed
	for line := range strings.Lines(string(out)) {
		flags, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if len(flags) > 2 && flags[2] == '5' && strings.TrimSpace(rest) == path {
			return true
		}
	}
	return false
}
