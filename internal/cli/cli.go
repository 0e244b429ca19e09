// Package cli is the command line virt-netboot, a file for each of its commands.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/printable"
	"github.com/virt-netboot/virt-netboot/internal/version"
)

// The exit statuses of every subcommand.
const (
	exitOK      = 0
	exitFailure = 1 // what was asked for could not be done
	exitInput   = 2 // a command line, a document or a configuration that cannot be read, a libvirt that cannot be reached
)

// Main runs the command line of this process and returns its exit status.
func Main() int {
	err := newRoot().ExecuteContext(context.Background())
	if message := explained(err); message != "" {
		fmt.Fprintln(os.Stderr, printable.Lines(message))
	}
	return exitStatus(err)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "virt-netboot",
		Short: "Make libvirt's instances try the network before their disk",
		Long: `virt-netboot makes the QEMU instances of an OpenStack or plain libvirt node try
the network before their disk, and lets a DHCP server inside a tenant's own
network answer them.

The rules in ` + config.DefaultPath + ` say which instances, and
what becomes of their nwfilter and their kernel. The agent applies them to every
domain that is defined or created through its socket, and to those that libvirt
has already. As installed it only says what it would do, until virt-netboot
enable.

Exit status:
  0  what was asked for is done
  1  it could not be done: a socket is taken, an output cannot be written
  2  the command line, a document or the configuration cannot be read; libvirt
     cannot be reached`,
		Version:       version.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.SetVersionTemplate("virt-netboot {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{cmd, err} })
	root.AddCommand(newAgent(), newApply(), newCheck(), newCompletion(), newDisable(), newDoctor(), newEnable(), newExplain(), newFinish(), newHook(), newOnce(), newPlan(), newProbe(), newRevert(), newRewrite(), newStatus(), newTrace())
	return root
}

// failure is an error that no other input would have avoided: exit status 1.
type failure struct {
	error
	logged bool // and so need not be printed
}

func (f *failure) Unwrap() error { return f.error }

// usageError is a command line that makes no sense.
type usageError struct {
	cmd *cobra.Command
	err error
}

func (u *usageError) Error() string {
	return fmt.Sprintf("%v; see %s --help", u.err, u.cmd.CommandPath())
}

func (u *usageError) Unwrap() error { return u.err }

func exitStatus(err error) int {
	var failed *failure
	var diagnosed diagnosis
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &failed):
		return exitFailure
	case errors.As(err, &diagnosed):
		return int(diagnosed)
	}
	return exitInput
}

// explained is what a person reads about an error. Mistakes in the configuration
// come with a caret each; what is in the log already is not said again.
func explained(err error) string {
	var mistakes config.Errors
	var failed *failure
	var diagnosed diagnosis
	switch {
	case err == nil, errors.As(err, &failed) && failed.logged, errors.As(err, &diagnosed):
		return ""
	case errors.As(err, &mistakes):
		return mistakes.Detail()
	}
	return "virt-netboot: " + err.Error()
}

// usage makes a check of the arguments say which --help explains them.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &usageError{cmd, err}
		}
		return nil
	}
}

// configSource is the configuration that a command line names.
type configSource struct {
	flags *pflag.FlagSet
	path  string
}

// configFlag adds --config.
func configFlag(cmd *cobra.Command) *configSource {
	src := &configSource{flags: cmd.Flags()}
	src.flags.StringVarP(&src.path, "config", "c", config.DefaultPath, "the configuration `FILE`; where the default one is missing, the defaults apply")
	completeFlag(cmd, "config", completeFiles)
	return src
}

// load reads the file. One that was asked for must be there.
func (src *configSource) load() (config.Config, error) {
	if src.flags.Changed("config") {
		return config.Read(src.path)
	}
	return config.Load(src.path)
}

// line is a line for a person, whatever the names in it are.
func line(format string, args ...any) string {
	return printable.Line(fmt.Sprintf(format, args...)) + "\n"
}

// write sends the output of a command on its way.
func write(w io.Writer, b []byte) error {
	if _, err := w.Write(b); err != nil {
		return &failure{error: fmt.Errorf("writing the output: %w", err)}
	}
	return nil
}
