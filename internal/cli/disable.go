package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent/reconcile/decide"
	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/takeover"
)

func newDisable() *cobra.Command {
	var revert, noWait, dryRun bool
	cmd := &cobra.Command{
		Use:   "disable [--revert] [--no-wait] [--dry-run]",
		Short: "Only say on this node what the rules would do",
		Long: `Take back what virt-netboot enable did. The configuration gets mode: observe, so
that nothing is changed any more, and libvirt gets the socket back that its
clients use. Its daemon is restarted for that: guests run on, but a migration or
a backup that is under way is cancelled, and an instance that Nova builds
meanwhile fails. So it waits as virt-netboot enable does. The agent runs on and
says what it would do.

With --revert, domains and Nova's files first get back what was taken from them,
and no trace stays in them: filters come back on running guests at once, the
rest waits for the next start. Without it they stay as they are.

systemd does it, whatever becomes of the terminal: what a kill or a power cut
leaves half done is finished, at the next boot if need be.

Exit status:
  0  done, or so already
  1  it could not be done, or not all of it; the message says what is so now
  2  the command line cannot be read, or libvirt cannot be reached`,
		Example: `  virt-netboot disable
  virt-netboot disable --revert && apt-get purge virt-netboot`,
		Args:                  usage(cobra.NoArgs),
		DisableFlagsInUseLine: true,
	}
	cmd.Flags().BoolVar(&revert, "revert", false, "give domains and files back what was taken from them")
	noWaitFlag(cmd, &noWait)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the steps, and do nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return disable(cmd, revert, noWait, dryRun) }
	return cmd
}

func disable(cmd *cobra.Command, revert, noWait, dryRun bool) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	state, err := settledNode(ctx, dryRun)
	if err != nil {
		return &failure{error: err}
	}
	goal := takeover.Goal{Mode: config.ModeObserve}
	plan, modeErr := state.Plan(goal)
	if modeErr != nil { // a mistake in the configuration is no reason to stay
		modeErr = &failure{error: modeErr}
		goal.Mode = ""
		if plan, err = state.Plan(goal); err != nil {
			return &failure{error: err}
		}
	}
	if dryRun {
		if revert {
			err = write(out, []byte("virt-netboot revert --all --files --unmarked\n"))
		}
		return errors.Join(modeErr, err, printSteps(out, plan))
	}
	if plan.RestartsLibvirt() {
		if err := quietBefore(ctx, out, noWait); err != nil {
			return errors.Join(modeErr, err)
		}
	}
	var revertErr error
	if revert {
		revertErr = revertNode(cmd, state, goal.Mode)
	}
	return errors.Join(modeErr, revertErr, change(ctx, out, plan, goal))
}

// quietBefore says that libvirt's daemon is restarted, and waits unless there is nothing
// to wait for: a libvirt that does not answer does nothing.
func quietBefore(ctx context.Context, out io.Writer, noWait bool) error {
	if err := write(out, []byte(restartNotice)); err != nil || noWait {
		return err
	}
	c, err := config.Load(config.DefaultPath)
	if err != nil {
		c = config.Default()
	}
	if err := awaitQuiet(ctx, out, c); !errors.Is(err, errNoLibvirt) {
		return err
	}
	return nil
}

// revertNode gives domains and files back what was taken from them, once no agent would
// take it away again.
func revertNode(cmd *cobra.Command, state takeover.State, mode config.Mode) error {
	ctx := cmd.Context()
	c, err := config.Load(config.DefaultPath)
	if err != nil {
		return err
	}
	if err := state.SetMode(ctx, mode); err != nil {
		return &failure{error: err}
	}
	if err := awaitObservers(ctx); err != nil {
		return &failure{error: err}
	}
	files := revertFiles(cmd, c, true)
	conn, err := connect(ctx, c)
	if err != nil {
		return errors.Join(files, err)
	}
	defer conn.Close()
	return errors.Join(files, syncCommand{decide: decide.Restore, none: "nothing to put back"}.command(cmd, conn, nil))
}

// observesWithin is how long an agent may take to follow its configuration.
const observesWithin = 10 * time.Second

// awaitObservers waits until the agents that run have mode: observe.
func awaitObservers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, observesWithin)
	defer cancel()
	for _, socket := range []string{status.Socket, status.FilesSocket} {
		for {
			s, err := status.Get(ctx, filepath.Join(status.Dir, socket))
			if errors.Is(err, status.ErrNotRunning) || err == nil && s.Config.Mode == config.ModeObserve {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("the agent does not follow its configuration, and would take away again what is put back: %w", ctx.Err())
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return nil
}
