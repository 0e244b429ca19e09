package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/doctor"
	"github.com/virt-netboot/virt-netboot/internal/takeover"
)

func newEnable() *cobra.Command {
	o := enableOptions{colors: colorAuto}
	cmd := &cobra.Command{
		Use:   "enable [--yes] [--diff] [--socket-only] [--no-wait] [--dry-run]",
		Short: "Apply the rules on this node, in front of libvirt",
		Long: `Have virt-netboot do on this node what it has only said until now. Before that,
it shows how many domains the rules would change, with --diff all of it as in
virt-netboot plan, and what virt-netboot doctor has against it. Then it asks.
With existing: keep, domains that are there already stay as they are.

The gateway gets the socket that libvirt's clients use anyway, so that Nova,
virsh and virt-manager go through it with no change to them: the socket of
virtqemud, or of libvirtd where that is the one that runs, moves from PATH to
PATH-direct, and virt-netboot.socket has the usual path beside its own. Drop-ins
for systemd make it last. libvirt's daemon is restarted: guests run on, but a
migration or a backup that is under way is cancelled, and an instance that Nova
builds meanwhile fails. So it first waits, two minutes at most, until no such
thing is under way, and says for what. Only Nova can keep new ones away:
openstack compute service set --disable HOST nova-compute. With --socket-only
libvirt keeps its path, or gets it back, and clients name the gateway's own
socket.

Then the configuration gets mode: enforce. All else in its file stays as it is.

systemd does it, whatever becomes of the terminal: what a kill or a power cut
leaves half done is finished, at the next boot if need be. Where libvirt does
not answer afterwards, it gets its path back. virt-netboot disable is the
opposite.

Exit status:
  0  done, or so already
  1  it could not be done, or you did not want it; the message says what is so
     now
  2  the command line or the configuration cannot be read, libvirt cannot be
     reached, or there is no terminal to ask on and no --yes`,
		Example: `  virt-netboot enable --diff
  virt-netboot enable --yes --socket-only`,
		Args:                  usage(cobra.NoArgs),
		DisableFlagsInUseLine: true,
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	flags.BoolVar(&o.diff, "diff", false, "show all that would be changed")
	flags.BoolVar(&o.socketOnly, "socket-only", false, "leave libvirt's own path to libvirt")
	noWaitFlag(cmd, &o.noWait)
	flags.BoolVar(&o.dryRun, "dry-run", false, "print the steps, and do nothing")
	colorFlag(cmd, &o.colors, "diffs")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd) }
	return cmd
}

type enableOptions struct {
	yes, diff, socketOnly, noWait, dryRun bool
	colors                                colorMode
}

func (o enableOptions) run(cmd *cobra.Command) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	c, err := config.Load(config.DefaultPath)
	if err != nil {
		return err
	}
	if c.Gateway.Upstream != "" && !o.socketOnly {
		return &failure{error: fmt.Errorf("gateway.upstream is %s: remove it from the configuration, since libvirt's socket moves; or virt-netboot enable --socket-only", c.Gateway.Upstream)}
	}
	goal := takeover.Goal{InFront: !o.socketOnly, Mode: config.ModeEnforce}
	state, err := settledNode(ctx, o.dryRun)
	if err != nil {
		return &failure{error: err}
	}
	plan, err := state.Plan(goal)
	switch {
	case err != nil:
		return &failure{error: err}
	case o.dryRun:
		return printSteps(out, plan)
	case len(plan.Steps) > 0:
		if err := o.consent(cmd, c, plan.RestartsLibvirt()); err != nil {
			return err
		}
	}
	if plan.RestartsLibvirt() && !o.noWait {
		if err := awaitQuiet(ctx, out, c); err != nil {
			return err
		}
	}
	return change(ctx, out, plan, goal)
}

// consent shows what comes of it, and asks.
func (o enableOptions) consent(cmd *cobra.Command, c config.Config, restarts bool) error {
	out := cmd.OutOrStdout()
	if !o.yes && !isTerminal(cmd.InOrStdin()) {
		return &usageError{cmd, errors.New("say --yes where there is no terminal to ask on")}
	}
	if err := o.preview(cmd.Context(), out, c); err != nil {
		return err
	}
	if against := objections(cmd.Context(), c, !o.socketOnly); len(against) > 0 {
		text := append([]byte("virt-netboot doctor has this against it:\n"), formatResults(against, o.colors.on(out))...)
		if err := write(out, text); err != nil {
			return err
		}
	}
	if restarts {
		if err := write(out, []byte(restartNotice)); err != nil {
			return err
		}
	}
	if o.yes {
		return nil
	}
	return ask(cmd.InOrStdin(), out, "Apply the rules on this node?")
}

// preview shows what the rules would change.
func (o enableOptions) preview(ctx context.Context, out io.Writer, c config.Config) error {
	p, err := planNode(ctx, c)
	if err != nil {
		return err
	}
	if o.diff {
		err = p.print(out, o.colors)
	} else {
		err = write(out, fmt.Appendf(nil, "%s\n%s", p.Summary, p.kinds()))
	}
	if err != nil || c.Existing != config.ExistingKeep || p.Summary.Change == 0 {
		return err
	}
	return write(out, []byte("existing: keep: they stay as they are until virt-netboot apply, or until a client defines them.\n"))
}

// kinds says in how many domains there are changes of each kind.
func (p planned) kinds() string {
	counts := map[string]int{}
	for _, d := range p.Domains {
		seen := map[string]bool{}
		for _, c := range slices.Concat(d.Changes, d.LiveChanges) {
			if !seen[string(c.Kind)] {
				seen[string(c.Kind)] = true
				counts[string(c.Kind)]++
			}
		}
	}
	var b strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "  %s: %d\n", kind, counts[kind])
	}
	return b.String()
}

// objections are the doctor's failures, as they would be with the mode and the path that
// the gateway is to have.
func objections(ctx context.Context, c config.Config, taking bool) []doctor.Result {
	d := doctorOf(config.DefaultPath, func() (config.Config, error) { return c, nil }, status.Dir)
	d.Taking = taking
	return slices.DeleteFunc(d.Examine(ctx), func(r doctor.Result) bool { return r.Level != doctor.Failure })
}

// ask returns an error unless the answer is yes.
func ask(in io.Reader, out io.Writer, question string) error {
	if err := write(out, []byte(question+" [y/N] ")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(in).ReadBytes('\n')
	if err != nil && err != io.EOF {
		return fmt.Errorf("reading the answer: %w", err)
	}
	switch string(bytes.ToLower(bytes.TrimSpace(answer))) {
	case "y", "yes":
		return nil
	}
	return &failure{error: errors.New("nothing is changed")}
}
