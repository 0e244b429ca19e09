package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/internal/takeover"
)

func newFinish() *cobra.Command {
	var boot bool
	cmd := &cobra.Command{
		Use:   "finish [--boot]",
		Short: "Finish an enable or disable that is under way or was cut",
		Long: `Do what is left of virt-netboot enable or disable. It is for
virt-netboot-takeover.service, which does it for both commands, and with --boot
for virt-netboot-boot.service, which does it before systemd opens the first
socket. Where nothing is left to do, nothing is done.

Exit status:
  0  nothing is left to do
  1  it could not be done; the message says what is so now
  2  the command line cannot be read`,
		Args:                  usage(cobra.NoArgs),
		DisableFlagsInUseLine: true,
		Hidden:                true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := finish(cmd.Context(), boot); err != nil {
				// For who has started the service; it is in the journal anyway.
				_, _ = daemon.SdNotify(false, "STATUS="+strings.ReplaceAll(err.Error(), "\n", "; "))
				return &failure{error: err}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&boot, "boot", false, "only put files right, as nothing is started yet")
	return cmd
}

func finish(ctx context.Context, boot bool) error {
	state, err := takeover.Look(ctx)
	if err != nil {
		return err
	}
	left := state.Finish
	if boot {
		left = state.AtBoot
	}
	plan, err := left()
	return errors.Join(plan.Run(ctx, takeover.Host{}), err)
}
