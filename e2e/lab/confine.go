package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/unit"
	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

const (
	roleConfined = "confined" // becomes the agent, with its units' rights
	envCalls     = "VIRT_NETBOOT_LAB_CALLS"
	envCaps      = "VIRT_NETBOOT_LAB_CAPS"
)

// agentUnits are whose rights the agent has in a lab: there one process does what
// two do on a node.
func agentUnits() []string { return []string{"virt-netboot.service", "virt-netboot-files.service"} }

// confined is the command of an agent with the system calls and capabilities that
// its units leave it. Namespaces, which they give it as well, it shares with the lab.
func confined(ctx context.Context, program string, args ...string) (*exec.Cmd, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	groups, err := callGroups(ctx)
	if err != nil {
		return nil, err
	}
	machine, err := arch.GetInfo("")
	if err != nil {
		return nil, err
	}
	calls, caps := make(names), make(names)
	for _, name := range agentUnits() {
		u, err := readUnit(filepath.Join(root, "systemd", name))
		if err != nil {
			return nil, err
		}
		maps.Copy(calls, groups.allowed(u["SystemCallFilter"]))
		for _, line := range u["CapabilityBoundingSet"] {
			for _, name := range strings.Fields(line) {
				caps.add(name)
			}
		}
	}
	maps.DeleteFunc(calls, func(name string, _ bool) bool {
		_, has := machine.SyscallNames[name]
		return !has
	})
	cmd := exec.Command("/proc/self/exe", append([]string{program}, args...)...)
	cmd.Env = append(os.Environ(), envRole+"="+roleConfined, envCalls+"="+calls.String(), envCaps+"="+caps.String())
	return cmd, nil
}

// becomeConfined gives up all rights but those of the environment, and becomes the
// program that the command line names.
func becomeConfined() error {
	runtime.LockOSThread()
	if err := keepCapabilities(strings.Fields(os.Getenv(envCaps))); err != nil {
		return fmt.Errorf("giving up capabilities: %w", err)
	}
	filter := seccomp.Filter{
		NoNewPrivs: true,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionErrno, // EPERM, as the units' SystemCallErrorNumber=
			Syscalls:      []seccomp.SyscallGroup{{Names: strings.Fields(os.Getenv(envCalls)), Action: seccomp.ActionAllow}},
		},
	}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == envRole || name == envCalls || name == envCaps
	})
	if err := seccomp.LoadFilter(filter); err != nil {
		return fmt.Errorf("giving up system calls: %w", err)
	}
	return fmt.Errorf("starting %s: %w", os.Args[1], syscall.Exec(os.Args[1], os.Args[1:], env))
}

// keepCapabilities takes every capability but those named out of the bounding set of
// this thread; an execve takes them out of the others.
func keepCapabilities(keep []string) error {
	known := map[string]uintptr{
		"CAP_CHOWN":        unix.CAP_CHOWN,
		"CAP_DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE,
		"CAP_FOWNER":       unix.CAP_FOWNER,
		"CAP_LEASE":        unix.CAP_LEASE,
		"CAP_SETGID":       unix.CAP_SETGID,
		"CAP_SETUID":       unix.CAP_SETUID,
	}
	kept := make(map[uintptr]bool)
	for _, name := range keep {
		number, ok := known[name]
		if !ok {
			return fmt.Errorf("the lab does not know %s", name)
		}
		kept[number] = true
	}
	for number := uintptr(0); number <= unix.CAP_LAST_CAP; number++ {
		if kept[number] {
			continue
		}
		// EINVAL: a capability that this kernel does not have.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, number, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	return nil
}

// readUnit returns the values of a unit's section [Service], in order.
func readUnit(path string) (map[string][]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	options, err := unit.DeserializeOptions(f)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	values := make(map[string][]string)
	for _, o := range options {
		if o.Section == "Service" {
			values[o.Name] = append(values[o.Name], o.Value)
		}
	}
	return values, nil
}

// groups are systemd's sets of system calls by their names, such as @chown; a set
// may have others in it (systemd.exec(5), SystemCallFilter=).
type groups map[string][]string

// callGroups asks systemd, whose sets change with its version.
func callGroups(ctx context.Context) (groups, error) {
	out, err := run(exec.CommandContext(ctx, "systemd-analyze", "--no-pager", "syscall-filter"))
	if err != nil {
		return nil, fmt.Errorf("asking systemd for its sets of system calls: %w", err)
	}
	sets, set := make(groups), ""
	for line := range strings.Lines(out) {
		name := strings.TrimSpace(line)
		switch {
		case name == "" || strings.HasPrefix(name, "#"):
		case !strings.HasPrefix(line, " "):
			set = name
		default:
			sets[set] = append(sets[set], name)
		}
	}
	return sets, nil
}

// allowed are the calls that the lines of SystemCallFilter= leave, of which the first
// allows.
func (g groups) allowed(lines []string) names {
	calls := make(names)
	g.each("@default", calls.add) // systemd allows it in every list that allows
	for _, line := range lines {
		list, forbids := strings.CutPrefix(line, "~")
		change := calls.add
		if forbids {
			change = calls.remove
		}
		for _, name := range strings.Fields(list) {
			g.each(name, change)
		}
	}
	return calls
}

// each calls f with each system call of a set, or with the one that is none.
func (g groups) each(name string, f func(string)) {
	if !strings.HasPrefix(name, "@") {
		f(name)
		return
	}
	for _, member := range g[name] {
		g.each(member, f)
	}
}

type names map[string]bool

func (n names) add(name string) { n[name] = true }

func (n names) remove(name string) { delete(n, name) }

func (n names) String() string { return strings.Join(slices.Sorted(maps.Keys(n)), " ") }
