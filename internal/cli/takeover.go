package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/internal/takeover"
)

func newTakeover() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "takeover enable|disable|status",
		Short: "Stand where libvirt's clients look for libvirt",
		Long: `Put the gateway on the socket that libvirt's clients use anyway, so that Nova,
virsh and virt-manager go through it with no change to them, or take it away
from there again.

enable moves the socket of virtqemud, or of libvirtd where that is the one that
runs, from PATH to PATH-direct, and gives virt-netboot.socket the usual path
beside its own. Drop-ins for systemd make it last. libvirt's daemon is
restarted: guests run on, but a migration or a backup that is under way is
cancelled.
disable puts everything back, with a restart too. Both make sure that libvirt
answers afterwards; where it does not, enable puts everything back.

An agent that fails to start three times within a minute is bypassed:
virt-netboot-bypass.service makes the usual path a symbolic link to PATH-direct.
systemctl reset-failed virt-netboot && systemctl restart virt-netboot ends that.

Exit status:
  0  done, or so already
  1  it could not be done; the message says what is so now
  2  the command line or the configuration cannot be read`,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return &usageError{cmd, errors.New("say enable, disable or status")}
		},
	}
	cmd.AddCommand(
		newTakeoverChange("enable", "Put the gateway on libvirt's usual socket", takeover.Goal{InFront: true}),
		newTakeoverChange("disable", "Give libvirt its usual socket back", takeover.Goal{}),
		newTakeoverStatus(),
	)
	return cmd
}

func newTakeoverChange(use, short string, goal takeover.Goal) *cobra.Command {
	cmd := &cobra.Command{
		Use:                   use + " [--config FILE] [--dry-run]",
		Short:                 short,
		Args:                  usage(cobra.NoArgs),
		DisableFlagsInUseLine: true,
	}
	source := configFlag(cmd)
	dryRun := cmd.Flags().Bool("dry-run", false, "print what would be done, and do nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := source.load()
		if err != nil && goal.InFront { // a mistake in it is no reason to stay
			return err
		}
		return change(cmd, goal, c.Gateway.Upstream, *dryRun)
	}
	return cmd
}

// change makes the node like the goal, or with dryRun only says how.
func change(cmd *cobra.Command, goal takeover.Goal, upstream string, dryRun bool) error {
	ctx := cmd.Context()
	state, err := look(ctx, upstream)
	if err == nil && state.Intent != nil && !dryRun {
		// What was cut is finished first. Where that fails, this may go well.
		_ = takeover.Await(ctx)
		state, err = look(ctx, upstream)
	}
	if err != nil {
		return &failure{error: err}
	}
	p, err := state.Plan(goal)
	if err != nil {
		return &failure{error: err}
	}
	if dryRun {
		return printPlan(cmd.OutOrStdout(), p)
	}
	if len(p.Steps) > 0 {
		if err := takeover.Submit(ctx, p); err != nil {
			return &failure{error: fmt.Errorf("%s: %w", cmd.CommandPath(), err)}
		}
		if state, err = look(ctx, upstream); err != nil {
			return &failure{error: err}
		}
	}
	return reached(state, goal)
}

func look(ctx context.Context, upstream string) (takeover.State, error) {
	state, err := takeover.Look(ctx, upstream)
	if err == nil {
		state.Ask(ctx)
	}
	return state, err
}

// reached is the error of a node that is not like the goal after a change, or where
// clients do not get to libvirt.
func reached(s takeover.State, goal takeover.Goal) error {
	if s.Unreachable != nil {
		return &failure{error: fmt.Errorf("libvirt does not answer where its clients look for it: %w", s.Unreachable)}
	}
	if p, err := s.Plan(goal); err != nil || len(p.Steps) > 0 {
		return &failure{error: errors.Join(errors.New("it is not done; journalctl -u virt-netboot-takeover says why"), err)}
	}
	return nil
}

func printPlan(w io.Writer, p takeover.Plan) error {
	for _, s := range p.Steps {
		if err := write(w, fmt.Appendln(nil, s)); err != nil {
			return err
		}
	}
	return nil
}

func newTakeoverStatus() *cobra.Command {
	return &cobra.Command{
		Use:                   "status",
		Short:                 "Say who is on libvirt's usual socket",
		Args:                  usage(cobra.NoArgs),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			state, err := look(cmd.Context(), "")
			if err != nil {
				return &failure{error: err}
			}
			return write(cmd.OutOrStdout(), fmt.Appendln(nil, describe(state)))
		},
	}
}

// describe says who has libvirt's usual path, and what a client gets there.
func describe(s takeover.State) string {
	text := holder(s)
	if s.Intent != nil {
		text += "; a change is under way or was cut: virt-netboot-takeover.service finishes it"
	}
	if s.Unreachable != nil {
		return fmt.Sprintf("%s; libvirt does not answer at %s: %v", text, s.Usual(), s.Unreachable)
	}
	return fmt.Sprintf("%s; libvirt %s answers at %s", text, s.Version, s.Usual())
}

func holder(s takeover.State) string {
	d, enabled := s.Enabled()
	next, moved := s.Successor(d)
	switch {
	case !enabled:
		return "disabled: clients get to the gateway by its own socket only"
	case moved:
		return fmt.Sprintf("enabled for %s, but this node has moved to %s, whose clients bypass the gateway: virt-netboot takeover disable, and then enable", d.Name, next.Name)
	case len(s.Torn) > 0:
		return fmt.Sprintf("enabled, but not whole, as after a power cut: virt-netboot takeover enable puts %s right", strings.Join(s.Torn, " and "))
	case slices.Contains(s.Bypassed, d.Path):
		return fmt.Sprintf("enabled, but bypassed: the agent did not start, and %s leads straight to %s; see journalctl -u virt-netboot", d.Path, d.Name)
	}
	return fmt.Sprintf("enabled: %s is the gateway's, %s is at %s", d.Path, d.Name, libvirt.Direct(d.Path))
}
