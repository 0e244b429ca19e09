// Package apparmor tells from the text of an AppArmor profile whether it lets a
// process read or run a file (apparmor.d(5)):
//
//	p, err := apparmor.Load("/etc/apparmor.d", "libvirt/TEMPLATE.qemu")
//	if !p.Reads("/usr/share/qemu/efi-virtio.rom") { … }
package apparmor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Profile is what a profile says about files. Profiles inside of it, for the
// programs that its process starts, are left out.
type Profile struct{ rules []compiled }

type compiled struct {
	rule
	paths *regexp.Regexp
}

// Reads reports whether a process that does not own the file may read it. The
// path is one without symbolic links, as the kernel sees it.
func (p Profile) Reads(path string) bool { return p.allows(path, "r") }

// Executes reports whether such a process may run it, under whichever profile.
func (p Profile) Executes(path string) bool { return p.allows(path, "x") }

func (p Profile) allows(path, permission string) bool {
	allowed := false
	for _, r := range p.rules {
		if !strings.Contains(r.permissions, permission) || !r.paths.MatchString(path) {
			continue
		}
		if r.deny {
			return false
		}
		allowed = true
	}
	return allowed
}

// Load reads a profile and what it includes, below a directory that is
// /etc/apparmor.d on a real machine.
func Load(dir, name string) (Profile, error) {
	l := loader{dir: dir, variables: make(map[string][]string)}
	if err := l.load(name); err != nil {
		return Profile{}, err
	}
	return l.profile()
}

// loader collects the rules of a profile.
type loader struct {
	dir       string
	variables map[string][]string
	rules     []rule
	depth     int      // of the profiles that the line is in
	within    []string // the files that include each other
}

// rule is a line about files.
type rule struct {
	deny              bool
	glob, permissions string
}

func (l *loader) load(name string) error {
	if slices.Contains(l.within, name) {
		return nil // parsed once more it would say nothing new
	}
	text, err := os.ReadFile(filepath.Join(l.dir, name))
	if err != nil {
		return fmt.Errorf("reading the AppArmor profile: %w", err)
	}
	l.within = append(l.within, name)
	defer func() { l.within = l.within[:len(l.within)-1] }()
	for line := range strings.Lines(string(text)) {
		if err := l.line(strings.TrimSpace(line)); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) line(line string) error {
	if name, optional, ok := include(line); ok {
		return l.include(name, optional)
	}
	if at := strings.Index(line, "#"); at == 0 || at > 0 && line[at-1] == ' ' {
		line = strings.TrimSpace(line[:at])
	}
	switch {
	case strings.HasSuffix(line, "{"):
		l.depth++
	case line == "}":
		l.depth--
	case l.variable(line):
	case l.depth <= 1:
		if r, ok := readRule(line); ok {
			l.rules = append(l.rules, r)
		}
	}
	return nil
}

// include splits #include <NAME>, include "NAME" and include if exists <NAME>.
func include(line string) (name string, optional, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(line, "#"), "include ")
	if !ok {
		return "", false, false
	}
	rest, optional = strings.CutPrefix(strings.TrimSpace(rest), "if exists ")
	return strings.Trim(strings.TrimSpace(rest), `<>"`), optional, true
}

// include reads a file, or the files of a directory.
func (l *loader) include(name string, optional bool) error {
	info, err := os.Stat(filepath.Join(l.dir, name))
	switch {
	case optional && errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("reading what an AppArmor profile includes: %w", err)
	case !info.IsDir():
		return l.load(name)
	}
	entries, err := os.ReadDir(filepath.Join(l.dir, name))
	if err != nil {
		return fmt.Errorf("reading what an AppArmor profile includes: %w", err)
	}
	for _, e := range entries {
		if err := l.load(filepath.Join(name, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// variable takes @{NAME} = VALUE… and @{NAME} += VALUE….
func (l *loader) variable(line string) bool {
	name, values, ok := strings.Cut(line, "=")
	name = strings.TrimSpace(strings.TrimSuffix(name, "+"))
	if !ok || !strings.HasPrefix(name, "@{") || !strings.HasSuffix(name, "}") {
		return false
	}
	for _, v := range strings.Fields(values) {
		l.variables[name] = append(l.variables[name], strings.Trim(v, `"`))
	}
	return true
}

// readRule takes a rule for files, such as "audit deny /run/** rw," or
// "/usr/bin/* PUx,". One that is for the file's owner is none here.
func readRule(line string) (rule, bool) {
	line, ok := strings.CutSuffix(line, ",")
	if !ok {
		return rule{}, false
	}
	var r rule
	words := strings.Fields(line)
	for len(words) > 0 && slices.Contains([]string{"audit", "allow", "deny", "file"}, words[0]) {
		r.deny = r.deny || words[0] == "deny"
		words = words[1:]
	}
	if len(words) != 2 {
		return rule{}, false
	}
	path, permissions := strings.Trim(words[0], `"`), words[1]
	if !isPath(path) {
		path, permissions = strings.Trim(words[1], `"`), words[0]
	}
	r.glob, r.permissions = path, permissions
	return r, isPath(path)
}

func isPath(s string) bool { return strings.HasPrefix(s, "/") || strings.HasPrefix(s, "@{") }

func (l *loader) profile() (Profile, error) {
	var p Profile
	for _, r := range l.rules {
		pattern, known := l.pattern(r.glob)
		if !known {
			continue // a variable that only the kernel or the parser knows
		}
		re, err := regexp.Compile("^" + pattern + "$")
		if err != nil {
			return Profile{}, fmt.Errorf("reading the AppArmor rule for %s: %w", r.glob, err)
		}
		p.rules = append(p.rules, compiled{r, re})
	}
	return p, nil
}
