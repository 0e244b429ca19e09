// Package hook puts virt-netboot's hook where libvirt's QEMU driver runs it, and tells
// which hooks are there.
//
// libvirt runs /etc/libvirt/hooks/qemu, and then every program of
// /etc/libvirt/hooks/qemu.d in the order of the names, whether or not the first is there
// (virHookCall in src/util/virhook.c, since libvirt 6.5). virt-netboot's hook is always
// one of the directory: hooks/qemu is where an operator writes one. It is a symbolic link
// to the program, since AppArmor and SELinux judge what runs by where the program is. The
// packages' program is a script that runs the one that the build makes.
package hook

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const (
	// DefaultDir is where libvirt looks for hooks.
	DefaultDir = "/etc/libvirt/hooks"
	// DefaultProgram is where the packages have the hook's program.
	DefaultProgram = "/usr/sbin/qemu-hook"

	// buildPath is what the build writes into qemu-hook (debug/buildinfo).
	buildPath = "github.com/virt-netboot/virt-netboot/cmd/qemu-hook"
	// scriptHead is how the packages' script begins (packaging/qemu-hook).
	scriptHead = "#!/bin/bash\n# qemu-hook, virt-netboot's hook for libvirt's QEMU driver.\n"
)

// Hooks are the hooks of libvirt's QEMU driver.
type Hooks struct {
	// Dir is the directory of libvirt's hooks: DefaultDir.
	Dir string
	// Program is the program of virt-netboot's hook: DefaultProgram.
	Program string
}

// Hook is a file that libvirt runs at an operation on a domain, if it is executable.
type Hook struct {
	Path string `json:"path"`
	// Target is the path where a symbolic link leads.
	Target string `json:"target,omitempty"`
	// Ours: it is a link to virt-netboot's program, or such a program.
	Ours bool `json:"ours"`
	// Intact: what would run is virt-netboot's hook. A hook that is ours and
	// not intact leads to a program that is gone, or that another was written over.
	Intact bool `json:"-"`
	// Executable: libvirt runs it.
	Executable bool `json:"executable"`
}

// First is the path of the hook that libvirt runs first, which is left to others.
func (h Hooks) First() string { return filepath.Join(h.Dir, "qemu") }

// Subdir is the directory of the hooks that libvirt runs then.
func (h Hooks) Subdir() string { return h.First() + ".d" }

// Link is the path of virt-netboot's hook.
func (h Hooks) Link() string { return filepath.Join(h.Subdir(), "50-virt-netboot") }

// List returns the hooks in the order in which libvirt runs them.
func (h Hooks) List() ([]Hook, error) {
	paths := []string{h.First()}
	entries, err := os.ReadDir(h.Subdir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("looking for hooks: %w", err)
	}
	for _, e := range entries {
		paths = append(paths, filepath.Join(h.Subdir(), e.Name()))
	}
	var all []Hook
	for _, path := range paths {
		hook, err := h.at(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("looking for hooks: %w", err)
		default:
			all = append(all, hook)
		}
	}
	return all, nil
}

// at returns the hook at a path.
func (h Hooks) at(path string) (Hook, error) {
	if _, err := os.Lstat(path); err != nil {
		return Hook{}, err
	}
	hook := Hook{Path: path}
	if target, err := os.Readlink(path); err == nil { // it is a link
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		hook.Target = target
	}
	var err error
	hook.Intact, hook.Executable, err = examine(path)
	if errors.Is(err, fs.ErrPermission) {
		return Hook{}, err
	}
	hook.Ours = hook.Intact || hook.Target == h.Program
	return hook, nil
}

// examine tells whether a program is virt-netboot's hook, and whether libvirt would run it. It is not run to ask: another's might act on the question.
func examine(path string) (intact, executable bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, false, err
	}
	build, err := buildinfo.ReadFile(path)
	if errors.Is(err, fs.ErrPermission) {
		return false, false, err
	}
	intact = err == nil && build.Path == buildPath || beginsWith(path, scriptHead)
	return intact, info.Mode().IsRegular() && info.Mode()&0o111 != 0, nil
}

func beginsWith(path, head string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	begin := make([]byte, len(head))
	_, err = io.ReadFull(f, begin)
	return err == nil && string(begin) == head
}

// Packaged reports whether what runs is the program as it is installed.
func (h Hooks) Packaged(hook Hook) (bool, error) {
	runs, err := os.ReadFile(hook.Path)
	if err != nil {
		return false, err
	}
	installed, err := os.ReadFile(h.Program)
	return bytes.Equal(runs, installed), err
}

// Run runs a program to its end and returns its standard output.
type Run func(ctx context.Context, name string, args ...string) ([]byte, error)

// Version asks a hook that is intact for its version.
func (h Hook) Version(ctx context.Context, run Run) (string, error) {
	out, err := run(ctx, h.Path, "--version")
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "qemu-hook "), err
}

// Install links virt-netboot's hook to its program, and removes others that are
// virt-netboot's too, so that it runs once. It reports whether something has changed.
func (h Hooks) Install() (changed bool, err error) {
	switch intact, executable, err := examine(h.Program); {
	case err != nil:
		return false, fmt.Errorf("installing the hook: %w", err)
	case !intact || !executable:
		return false, fmt.Errorf("installing the hook: %s is not virt-netboot's program: install virt-netboot again", h.Program)
	}
	// Where that is a file, every call of a hook fails, and with it every start of a
	// guest. Without a hook libvirt does not look at it.
	if info, err := os.Stat(h.Subdir()); err == nil && !info.IsDir() {
		return false, fmt.Errorf("installing the hook: %s is not a directory", h.Subdir())
	}
	all, err := h.List()
	if err != nil {
		return false, err
	}
	if changed, err = h.link(all); err != nil {
		return false, fmt.Errorf("installing the hook: %w", err)
	}
	removed, err := remove(all, func(hook Hook) bool { return hook.Ours && hook.Path != h.Link() })
	return changed || removed, err
}

// link makes the link, or replaces one that is ours or leads to nothing.
func (h Hooks) link(all []Hook) (changed bool, err error) {
	if i := slices.IndexFunc(all, func(hook Hook) bool { return hook.Path == h.Link() }); i >= 0 {
		switch there := all[i]; {
		case there.Target == h.Program:
			return false, nil
		case there.Ours, there.Target != "" && !exists(there.Path):
		default:
			return false, fmt.Errorf("%s is another program's", there.Path)
		}
	}
	if err := os.MkdirAll(h.Subdir(), 0o755); err != nil {
		return false, err
	}
	// libvirt does not run what has this name.
	temporary := filepath.Join(h.Dir, ".virt-netboot")
	_ = os.Remove(temporary) // of an installation that was interrupted
	if err := os.Symlink(h.Program, temporary); err != nil {
		return false, err
	}
	return true, os.Rename(temporary, h.Link())
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Remove removes the hooks that are virt-netboot's, and their directory if that is
// empty then. It reports whether there was one.
func (h Hooks) Remove() (changed bool, err error) {
	all, err := h.List()
	if err != nil {
		return false, err
	}
	changed, err = remove(all, func(hook Hook) bool { return hook.Ours })
	if changed {
		_ = os.Remove(h.Subdir()) // fails where it is not empty
	}
	return changed, err
}

func remove(all []Hook, which func(Hook) bool) (changed bool, err error) {
	for _, hook := range all {
		if which(hook) {
			if err := os.Remove(hook.Path); err != nil {
				return changed, fmt.Errorf("removing a hook: %w", err)
			}
			changed = true
		}
	}
	return changed, nil
}

// Reload has a libvirt that runs look for hooks, which it does at its start and at a
// reload only. A restart would cancel migrations under way.
func Reload(ctx context.Context, run Run) error {
	var errs []error
	for _, daemon := range []string{"virtqemud.service", "libvirtd.service"} {
		if _, err := run(ctx, "systemctl", "--quiet", "is-active", daemon); err != nil {
			continue
		}
		if _, err := run(ctx, "systemctl", "reload", daemon); err != nil {
			errs = append(errs, fmt.Errorf("libvirt does not know of the change yet: systemctl reload %s: %w", daemon, err))
		}
	}
	return errors.Join(errs...)
}
