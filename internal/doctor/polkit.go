package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// checkPolkit looks for rules about libvirt that ask for what polkit finds out of the
// process that has connected to libvirt: through the gateway, that is the agent.
func checkPolkit(_ context.Context, n *node) []Result {
	paths, err := n.polkitRules()
	if err != nil {
		return one(unknown(err))
	}
	var all []Result
	for _, path := range paths {
		text, err := n.read(path)
		if err != nil {
			return one(unknown(err))
		}
		if line, property := ofProcess(text); line > 0 {
			all = append(all, n.judgeRule(fmt.Sprintf("%s:%d", path, line), property))
		}
	}
	if all == nil {
		return one(ok("no polkit rule about libvirt asks for more than the client's user and groups"))
	}
	return all
}

// polkitRules are the files that polkit(8) reads.
func (h Host) polkitRules() ([]string, error) {
	var paths []string
	for _, parent := range []string{"/etc", "/run", "/usr/local/share", "/usr/share"} {
		dir := filepath.Join(parent, "polkit-1/rules.d")
		files, err := os.ReadDir(h.path(dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, f := range files {
			if filepath.Ext(f.Name()) == ".rules" {
				paths = append(paths, filepath.Join(dir, f.Name()))
			}
		}
	}
	return paths, nil
}

func (n *node) judgeRule(where, property string) Result {
	const found = "%s decides about libvirt by %s, which through the gateway is the agent's instead of its client's"
	if n.agentErr == nil && n.inSession(n.agent.PID) {
		return failure("run the agent as the service: systemctl start virt-netboot",
			found+"; and this agent runs in a login session", where, property)
	}
	return warning("decide by subject.user or subject.isInGroup there, or have those users connect to "+n.upstream(), found, where, property)
}

// ofProcess returns the first line of a file of rules about libvirt that asks for a
// property of the process, and the property; 0 for none.
func ofProcess(rules string) (line int, property string) {
	asks := regexp.MustCompile(`\bsubject\.(active|local|seat|session|pid|system_unit|no_new_privileges)\b`)
	aboutLibvirt := false
	for i, text := range strings.Split(rules, "\n") {
		code, _, _ := strings.Cut(text, "//")
		aboutLibvirt = aboutLibvirt || strings.Contains(code, "org.libvirt")
		if m := asks.FindString(code); m != "" && line == 0 {
			line, property = i+1, m
		}
	}
	if !aboutLibvirt {
		return 0, ""
	}
	return line, property
}

// inSession reports whether a process belongs to a login session, as
// sd_pid_get_session(3) tells it.
func (h Host) inSession(pid int) bool {
	cgroups, err := os.ReadFile(h.proc(pid, "cgroup"))
	return err == nil && regexp.MustCompile(`(?m)/user-\d+\.slice/`).Match(cgroups)
}
