package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/internal/doctor"
	"github.com/virt-netboot/virt-netboot/internal/hook"
	"github.com/virt-netboot/virt-netboot/internal/printable"
)

func newHook() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hook install|remove|status",
		Short: "Install virt-netboot's hook for libvirt, or remove it",
		Long: `Put virt-netboot's hook where libvirt's QEMU driver runs it, take it away, or
say which hooks are there. The packages run install and remove by themselves.

install makes /etc/libvirt/hooks/qemu.d/50-virt-netboot a symbolic link to the
hook's program. libvirt runs it after /etc/libvirt/hooks/qemu, which is left to
the operator, whether or not that is there. It takes libvirt 6.5 or later.
remove takes away the links to the program and copies of it, and nothing else.
Both reload a libvirt that runs, since it looks for hooks only then and when it
starts. Guests and migrations go on.

status lists the hooks in the order in which libvirt runs them.

Exit status:
  0  the hook is in its place; with remove, it is not
  1  it could not be put there or taken away, or libvirt could not be reloaded;
     with status, it is not in its place
  2  the command line cannot be read`,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return &usageError{cmd, errors.New("say install, remove or status")}
		},
	}
	cmd.AddCommand(
		newHookChange("install", "Have libvirt run virt-netboot's hook", hook.Hooks.Install),
		newHookChange("remove", "Have libvirt run it no more", hook.Hooks.Remove),
		newHookStatus(),
	)
	return cmd
}

// hooksFlags adds --hooks-dir and --program.
func hooksFlags(cmd *cobra.Command) *hook.Hooks {
	var h hook.Hooks
	cmd.Flags().StringVar(&h.Dir, "hooks-dir", hook.DefaultDir, "the `DIR` where libvirt looks for hooks")
	completeFlag(cmd, "hooks-dir", completeDirs)
	cmd.Flags().StringVar(&h.Program, "program", "", "the `FILE` that is the hook's program; by default the qemu-hook beside this program, or "+hook.DefaultProgram)
	completeFlag(cmd, "program", completeFiles)
	return &h
}

func newHookChange(use, short string, change func(hook.Hooks) (bool, error)) *cobra.Command {
	cmd := &cobra.Command{
		Use:                   use + " [--hooks-dir DIR] [--program FILE]",
		Short:                 short,
		Args:                  usage(cobra.NoArgs),
		DisableFlagsInUseLine: true,
	}
	hooks := hooksFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		h, err := absolute(*hooks)
		if err != nil {
			return &failure{error: err}
		}
		changed, err := change(h)
		if changed {
			err = errors.Join(err, hook.Reload(cmd.Context(), doctor.LocalHost().Run))
		}
		if err != nil {
			return &failure{error: err}
		}
		return nil
	}
	return cmd
}

func newHookStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:                   "status [--json] [--hooks-dir DIR] [--program FILE]",
		Short:                 "Say which hooks libvirt runs",
		Args:                  usage(cobra.NoArgs),
		DisableFlagsInUseLine: true,
	}
	hooks := hooksFlags(cmd)
	asJSON := cmd.Flags().Bool("json", false, "write a JSON object: installed, hooks")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		h, err := absolute(*hooks)
		if err != nil {
			return &failure{error: err}
		}
		s, err := hooksStatusOf(cmd.Context(), h)
		if err != nil {
			return &failure{error: err}
		}
		if *asJSON {
			err = writeJSON(cmd.OutOrStdout(), s)
		} else {
			err = write(cmd.OutOrStdout(), s.text(h))
		}
		if err == nil && !s.Installed {
			return &failure{error: errors.New("the hook is not in its place"), logged: true}
		}
		return err
	}
	return cmd
}

// absolute makes the paths of a command line absolute: a link must lead to one.
func absolute(h hook.Hooks) (hook.Hooks, error) {
	if h.Program == "" {
		h.Program = hookProgram()
	}
	dir, err := filepath.Abs(h.Dir)
	if err != nil {
		return h, err
	}
	program, err := filepath.Abs(h.Program)
	return hook.Hooks{Dir: dir, Program: program}, err
}

// hookProgram is the qemu-hook beside this program, or else the packaged one.
func hookProgram() string {
	if own, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(own), "qemu-hook")
		if _, err := os.Stat(beside); err == nil {
			return beside
		}
	}
	return hook.DefaultProgram
}

// hooksStatus is what hook status --json writes.
type hooksStatus struct {
	Installed bool         `json:"installed"` // libvirt runs virt-netboot's hook, in its place
	Hooks     []hookStatus `json:"hooks"`     // in the order in which libvirt runs them
}

type hookStatus struct {
	hook.Hook
	Version string `json:"version,omitempty"` // of one that is virt-netboot's
}

func hooksStatusOf(ctx context.Context, h hook.Hooks) (hooksStatus, error) {
	all, err := h.List()
	s := hooksStatus{Hooks: make([]hookStatus, len(all))}
	for i, found := range all {
		s.Hooks[i].Hook = found
		if found.Intact && found.Executable {
			s.Hooks[i].Version, _ = found.Version(ctx, doctor.LocalHost().Run) // one that does not run has none
		}
	}
	s.Installed = slices.ContainsFunc(s.Hooks, func(s hookStatus) bool { return s.Path == h.Link() && s.Version != "" })
	return s, err
}

// text has a line for each hook.
func (s hooksStatus) text(h hook.Hooks) []byte {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, hook := range s.Hooks {
		fmt.Fprintf(w, "%s\t%s\n", printable.Line(hook.Path), printable.Line(hook.describe()))
	}
	w.Flush()
	if !s.Installed {
		fmt.Fprintf(&b, "libvirt does not run virt-netboot's hook from %s: virt-netboot doctor says why\n", printable.Line(h.Link()))
	}
	return b.Bytes()
}

func (s hookStatus) describe() string {
	text := "another program's"
	switch {
	case s.Version != "":
		text = "virt-netboot's, version " + s.Version
	case s.Intact:
		text = "virt-netboot's"
	case s.Ours:
		text = "virt-netboot's, but its program is not there any more"
	}
	if s.Target != "" {
		text += ", a link to " + s.Target
	}
	if !s.Executable {
		text += "; libvirt does not run it"
	}
	return text
}
