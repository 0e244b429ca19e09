package doctor

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/virt-netboot/virt-netboot/internal/doctor/apparmor"
)

const (
	hookPath = "/etc/libvirt/hooks/qemu"
	hookDir  = hookPath + ".d" // whose programs run after it, in the order of their names

	// hookPackage is what the build writes into qemu-hook (debug/buildinfo).
	hookPackage = "github.com/virt-netboot/virt-netboot/cmd/qemu-hook"
	hookName    = "50-virt-netboot"
)

// hook is a program that libvirt may run at an operation on a domain.
type hook struct {
	path       string
	ours       bool
	executable bool
	dangling   bool // a symbolic link to nothing
}

// hooks are those of libvirt's QEMU driver, in the order of their calls.
func (h Host) hooks() ([]hook, error) {
	paths := []string{hookPath}
	entries, err := os.ReadDir(h.path(hookDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("looking for hooks: %w", err)
	}
	for _, e := range entries {
		paths = append(paths, path.Join(hookDir, e.Name()))
	}
	var all []hook
	for _, p := range paths {
		k, err := h.hook(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("looking for hooks: %w", err)
		}
		all = append(all, k)
	}
	return all, nil
}

func (h Host) hook(path string) (hook, error) {
	if _, err := os.Lstat(h.path(path)); err != nil {
		return hook{}, err
	}
	info, err := os.Stat(h.path(path))
	if errors.Is(err, fs.ErrNotExist) {
		return hook{path: path, dangling: true}, nil
	}
	if err != nil {
		return hook{}, err
	}
	k := hook{path: path, executable: info.Mode().IsRegular() && info.Mode()&0o111 != 0}
	// A foreign hook is not run to ask who it is: it might act on the question.
	build, err := buildinfo.ReadFile(h.path(path))
	if errors.Is(err, fs.ErrPermission) {
		return hook{}, err
	}
	k.ours = err == nil && build.Path == hookPackage
	return k, nil
}

// checkHookInstalled looks for virt-netboot's hook where libvirt looks.
func checkHookInstalled(ctx context.Context, n *node) []Result {
	if info, err := os.Stat(n.path(hookDir)); err == nil && !info.IsDir() {
		return one(failure(fmt.Sprintf("mv %s %s.aside", hookDir, hookDir),
			"%s is not a directory, so no guest can start once libvirt has a hook", hookDir))
	}
	hooks, err := n.hooks()
	if err != nil {
		return one(unknown(err))
	}
	r := judgeHooks(hooks, n.HookProgram, n.daemonName())
	if r.Level != OK {
		return one(r)
	}
	found := hooks[ours(hooks)]
	if r := n.executableUnderAppArmor(found); r.Level != OK {
		return one(r)
	}
	return one(n.compareVersion(ctx, found, r))
}

// executableUnderAppArmor tells whether libvirt's daemon may run the hook, where it
// has a profile. What counts then is where the hook's symbolic links lead.
func (n *node) executableUnderAppArmor(k hook) Result {
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
	program, err := n.resolve(k.path)
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

func ours(hooks []hook) int {
	return slices.IndexFunc(hooks, func(k hook) bool { return k.ours })
}

// judgeHooks says whether libvirt would run virt-netboot's hook, program.
func judgeHooks(hooks []hook, program, daemon string) Result {
	reload := " && systemctl reload " + daemon
	at := ours(hooks)
	switch {
	case at >= 0 && !hooks[at].executable:
		return failure("chmod 755 "+hooks[at].path+reload, "%s is not executable, so libvirt does not run it", hooks[at].path)
	case at > 0 && hooks[0].path == hookPath:
		return ok("%s runs after %s, which is another program's", hooks[at].path, hookPath)
	case at >= 0 && hooks[at].path != hookPath:
		return ok("%s is virt-netboot's; another program's hook, which it was put beside, is no longer at %s", hooks[at].path, hookPath)
	case at >= 0:
		return ok("%s is virt-netboot's", hooks[at].path)
	}
	if i := slices.IndexFunc(hooks, func(k hook) bool { return k.dangling }); i >= 0 {
		return failure("ln -sf "+program+" "+hooks[i].path+reload, "%s is a symbolic link to nothing", hooks[i].path)
	}
	if len(hooks) == 0 || hooks[0].path != hookPath {
		return failure(fmt.Sprintf("mkdir -p %s && ln -s %s %s%s", path.Dir(hookPath), program, hookPath, reload), "there is no %s", hookPath)
	}
	beside := path.Join(hookDir, hookName)
	if slices.ContainsFunc(hooks, func(k hook) bool { return k.path == beside }) {
		return failure(fmt.Sprintf("mv %s %s/40-own && ln -s %s %s%s", beside, hookDir, program, beside, reload),
			"%s is another program, and so is %s, where virt-netboot's would be", hookPath, beside)
	}
	return failure(fmt.Sprintf("mkdir -p %s && ln -s %s %s%s", hookDir, program, beside, reload),
		"%s is another program, and virt-netboot's is not in %s", hookPath, hookDir)
}

// compareVersion asks our hook for its version; found is what is known so far.
func (n *node) compareVersion(ctx context.Context, k hook, found Result) Result {
	out, err := n.Run(ctx, n.path(k.path), "--version")
	if err != nil {
		return failure("install virt-netboot again", "%s does not run: %v", k.path, err)
	}
	version := strings.TrimPrefix(strings.TrimSpace(string(out)), "qemu-hook ")
	if version != n.Version {
		return warning("install virt-netboot again, so that both are of one version", "%s has version %s, virt-netboot has %s", k.path, version, n.Version)
	}
	found.Found += ", version " + version
	return found
}
