package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/virt-netboot/virt-netboot/internal/doctor/apparmor"
	"github.com/virt-netboot/virt-netboot/internal/hook"
)

// installHook puts the hook in its place and reloads libvirt.
const installHook = "virt-netboot hook install"

// hooks is where libvirt looks for hooks on the machine.
func (n *node) hooks() hook.Hooks {
	return hook.Hooks{Dir: n.path(hook.DefaultDir), Program: n.path(n.HookProgram)}
}

// checkHookInstalled looks for virt-netboot's hook where libvirt looks.
func checkHookInstalled(ctx context.Context, n *node) []Result {
	hooks := n.hooks()
	if info, err := os.Stat(hooks.Subdir()); err == nil && !info.IsDir() {
		return one(failure(fmt.Sprintf("mv %s %[1]s.aside && %s", hooks.Subdir(), installHook),
			"%s is not a directory, so no guest can start once libvirt has a hook", hooks.Subdir()))
	}
	all, err := hooks.List()
	if err != nil {
		return one(unknown(err))
	}
	ours := slices.DeleteFunc(slices.Clone(all), func(h hook.Hook) bool { return !h.Ours })
	if len(ours) == 0 {
		return one(missingHook(hooks, all))
	}
	for _, judge := range []func(context.Context, hook.Hook) Result{
		n.judgeProgram, n.compareWithPackage, n.executableUnderAppArmor, n.compareVersion,
	} {
		if r := judge(ctx, ours[0]); r.Level != OK {
			return one(r)
		}
	}
	switch {
	case ours[0].Path != hooks.Link():
		return one(warning(installHook, "virt-netboot's hook is %s, where an operator writes one; its own place is %s", ours[0].Path, hooks.Link()))
	case len(ours) > 1:
		return one(warning(installHook, "libvirt runs virt-netboot's hook more than once: %s and %s", ours[0].Path, ours[1].Path))
	case all[0].Path == hooks.First():
		return one(ok("%s is virt-netboot's, version %s; it runs after %s, which is another program", hooks.Link(), n.Version, hooks.First()))
	}
	return one(ok("%s is virt-netboot's, version %s", hooks.Link(), n.Version))
}

// missingHook is for a node without virt-netboot's hook.
func missingHook(hooks hook.Hooks, all []hook.Hook) Result {
	at := slices.IndexFunc(all, func(h hook.Hook) bool { return h.Path == hooks.Link() })
	switch {
	case at < 0:
		return failure(installHook, "there is no %s", hooks.Link())
	case all[at].Target != "" && !all[at].Executable:
		return failure(installHook, "%s leads to nothing that libvirt can run", hooks.Link())
	}
	return failure(fmt.Sprintf("mv %s %s && %s", hooks.Link(), ownHook(hooks), installHook),
		"%s, where virt-netboot's hook would be, is another program", hooks.Link())
}

// ownHook is where a hook goes that an operator has written in the place of
// virt-netboot's: libvirt runs it before that.
func ownHook(hooks hook.Hooks) string { return path.Join(hooks.Subdir(), "40-own") }

// judgeProgram holds what libvirt would run against the program that is installed.
func (n *node) judgeProgram(_ context.Context, h hook.Hook) Result {
	same, err := n.hooks().Packaged(h)
	switch {
	case !h.Intact && n.isScript(h.Path):
		return failure(fmt.Sprintf("cp %s %s && %s", n.HookProgram, ownHook(n.hooks()), n.reinstall()),
			"%s leads to %s, and another hook was written there in the place of virt-netboot's program", h.Path, h.Target)
	case !h.Intact:
		return failure(n.reinstall(), "%s leads to %s, which is not virt-netboot's program any more", h.Path, h.Target)
	case !h.Executable:
		return failure("chmod 755 "+h.Path+" && systemctl reload "+n.daemonName(), "%s is not executable, so libvirt does not run it", h.Path)
	case errors.Is(err, fs.ErrNotExist): // the package is not installed
	case err != nil:
		return unknown(err)
	case !same:
		return failure(installHook, "%s is another build than %s", h.Path, n.HookProgram)
	}
	return ok("%s is virt-netboot's", h.Path)
}

// isScript reports whether a file is one, and not a damaged program.
func (n *node) isScript(file string) bool {
	text, err := os.ReadFile(file)
	return err == nil && bytes.HasPrefix(text, []byte("#!"))
}

// compareWithPackage holds the program against the package's own record of it.
func (n *node) compareWithPackage(ctx context.Context, h hook.Hook) Result {
	if n.altered(ctx, n.HookProgram) {
		return failure(n.reinstall(), "%s is not as in its package: it was changed since", n.HookProgram)
	}
	return ok("%s is the package's", h.Path)
}

// executableUnderAppArmor tells whether libvirt's daemon may run the hook, where it
// has a profile. What counts then is where the hook's symbolic links lead.
func (n *node) executableUnderAppArmor(_ context.Context, h hook.Hook) Result {
	if n.daemonErr != nil || !slices.Contains(n.daemon.SecurityModels, "apparmor") {
		return ok("no profile of AppArmor's")
	}
	name := "usr.sbin." + n.daemonName()
	if _, err := os.Stat(n.path(path.Join(apparmorDir, name))); errors.Is(err, fs.ErrNotExist) {
		return ok("no profile of AppArmor's")
	}
	profile, err := apparmor.Load(n.path(apparmorDir), name)
	if err != nil {
		return unknown(err)
	}
	program, err := n.resolve(h.Path)
	if err != nil {
		return unknown(err)
	}
	if !profile.Executes(program) {
		return failure(n.allowing(program, name),
			"AppArmor's profile %s does not let libvirt run %s, so no guest can start", name, program)
	}
	return ok("%s may run %s", name, program)
}

// allowing is how a profile comes to let libvirt run the program: in the file that
// Debian's include for it, or in the profile itself, as libvirt ships it.
func (h Host) allowing(program, name string) string {
	profile, line := path.Join(apparmorDir, name), program+" PUx,"
	if text, err := h.read(profile); err == nil && strings.Contains(text, "<local/"+name+">") {
		return fmt.Sprintf("echo '%s' >> %s/local/%s && systemctl reload apparmor", line, apparmorDir, name)
	}
	return fmt.Sprintf("sed -i '/^profile /a %s' %s && systemctl reload apparmor", line, profile)
}

// compareVersion asks our hook for its version.
func (n *node) compareVersion(ctx context.Context, h hook.Hook) Result {
	version, err := h.Version(ctx, n.Run)
	if err != nil {
		return failure(n.reinstall(), "%s does not run: %v", h.Path, err)
	}
	if version != n.Version {
		return warning(n.reinstall()+", so that both are of one version", "%s has version %s, virt-netboot has %s", h.Path, version, n.Version)
	}
	return ok("version %s", version)
}
