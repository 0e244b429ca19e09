package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent/resync"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// revertFiles puts the stock files back. It goes on after one that fails.
func revertFiles(cmd *cobra.Command, c config.Config, unmarked bool) error {
	return eachFile(cmd, c, func(w io.Writer, f config.File) error {
		r, err := resync.Revert(cmd.Context(), f, waits(cmd))
		what := "was never changed; left alone from now on"
		if unmarked {
			err = errors.Join(err, resync.Release(f))
			what = "was never changed"
		}
		if err != nil {
			return err
		}
		if r.Restored {
			what = "stock file put back"
		}
		if r.Edited != "" {
			what += "; what was changed in it is in " + r.Edited
		}
		return write(w, []byte(line("%s: %s", f.Path, what)))
	})
}

// applyFiles patches the files again.
func applyFiles(cmd *cobra.Command, c config.Config) error {
	if c.Mode == config.ModeObserve {
		return eachFile(cmd, c, func(w io.Writer, f config.File) error {
			if err := resync.Release(f); err != nil {
				return err
			}
			return write(w, []byte(line("%s: may be changed again, but the mode is observe", f.Path)))
		})
	}
	return eachFile(cmd, c, func(w io.Writer, f config.File) error {
		s, err := resync.Apply(cmd.Context(), f, domainxml.Policy{Rules: c.Rules}, waits(cmd))
		if err != nil {
			return err
		}
		text := line("%s: %s", f.Path, s.State)
		if s.Todo != "" {
			text += line("%s: %s", f.Path, s.Todo)
		}
		return write(w, []byte(text))
	})
}

// waits says what a command waits for.
func waits(cmd *cobra.Command) func(string) {
	return func(what string) { io.WriteString(cmd.ErrOrStderr(), line("virt-netboot: %s", what)) }
}

// eachFile does something to each file that the configuration names. Its error
// says how many failed.
func eachFile(cmd *cobra.Command, c config.Config, do func(io.Writer, config.File) error) error {
	if len(c.Files) == 0 {
		return write(cmd.OutOrStdout(), []byte("the configuration names no files\n"))
	}
	failed := 0
	for _, f := range c.Files {
		if err := do(cmd.OutOrStdout(), f); err != nil {
			io.WriteString(cmd.ErrOrStderr(), line("virt-netboot: %v", err))
			failed++
		}
	}
	if failed > 0 {
		return &failure{error: fmt.Errorf("%d of %d files failed", failed, len(c.Files))}
	}
	return nil
}
