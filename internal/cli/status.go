package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/printable"
	"github.com/virt-netboot/virt-netboot/internal/takeover"
)

func newStatus() *cobra.Command {
	o := statusOptions{colors: colorAuto}
	cmd := &cobra.Command{
		Use:   "status [--json] [--watch [--interval DURATION]]",
		Short: "Show this node's domains and files, and what the agent does",
		Long: `Ask the agent of this node, and show

  domains        a row each: its name, the instance's name and project as Nova
                 wrote them, what it boots from, its nwfilters, its rule, what
                 waits for its next start, what keeps it from booting from the
                 network, and with mode: observe what would be changed
  files          Nova's, and whether they are patched
  gateway        its clients, and the calls that it rewrote and libvirt refused
  libvirt        its version, and since when there is a connection
  configuration  when it was loaded, and why a changed one was refused
  node           which of virt-netboot enable and disable holds, and whether
                 libvirt answers where its clients look for it

A running domain is shown as it runs, others as they are defined. With --watch
the output is repeated every two seconds until Ctrl-C, with --json in one line.

Only root may ask the agent.

Exit status:
  0  all is well
  1  the agent could not do something that it should: the configuration was
     refused, libvirt is not connected, a file or a domain is not in sync;
     or clients do not get to libvirt where they look for it, or bypass the
     agent
  2  the agent does not run or does not answer, or the command line cannot be
     read`,
		Example: `  virt-netboot status
  virt-netboot status --watch --interval 5s
  virt-netboot status --json | jq '.domains[] | select(.warnings != [])'`,
		Args:                  usage(cobra.NoArgs),
		DisableFlagsInUseLine: true,
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.json, "json", false, "write JSON")
	flags.BoolVarP(&o.watch, "watch", "w", false, "repeat the output until Ctrl-C")
	flags.DurationVar(&o.interval, "interval", 2*time.Second, "how `LONG` --watch waits")
	colorFlag(cmd, &o.colors, "text")
	o.dir = runDirFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.interval <= 0 {
			return &usageError{cmd, fmt.Errorf("--interval %v: want more than 0", o.interval)}
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		if o.watch {
			return o.follow(ctx, cmd.OutOrStdout())
		}
		return o.once(ctx, cmd.OutOrStdout())
	}
	return cmd
}

type statusOptions struct {
	json, watch bool
	interval    time.Duration
	colors      colorMode
	dir         *string
}

// answerTimeout is far more than an agent needs unless it hangs.
const answerTimeout = 10 * time.Second

func (o statusOptions) once(ctx context.Context, out io.Writer) error {
	s, err := o.ask(ctx)
	if err != nil {
		return err
	}
	if o.json {
		err = writeJSON(out, s)
	} else {
		err = write(out, []byte(s.text(o.colors.on(out))))
	}
	if err == nil && (len(s.Problems()) > 0 || unwell(s.state)) {
		return &failure{error: errors.New("the status has problems"), logged: true}
	}
	return err
}

// nodeStatus is what the agent knows, and what is so whether it runs or not.
type nodeStatus struct {
	status.Status
	Node jsonStanding `json:"node"`

	state takeover.State
}

func (s nodeStatus) text(colors bool) string {
	return s.Text(time.Now(), colors) + fmt.Sprintf("%-9s", "Node") + line("%s", s.Node.Text)
}

func (o statusOptions) ask(ctx context.Context) (nodeStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	s, err := status.Node(ctx, *o.dir)
	n := nodeStatus{Status: s}
	if state, err := lookAtNode(ctx); err != nil {
		n.Node.Text = "not known: " + err.Error()
	} else {
		n.state, n.Node = state, newJSONStanding(state)
	}
	if errors.Is(err, status.ErrNotRunning) {
		err = fmt.Errorf("%w; start it with systemctl reset-failed virt-netboot; systemctl restart virt-netboot, or see what it would change with virt-netboot plan; the node is %s", err, n.Node.Text)
	}
	return n, err
}

// follow repeats the status. It goes on while the agent does not run, which may be
// started meanwhile.
func (o statusOptions) follow(ctx context.Context, out io.Writer) error {
	tick := time.NewTicker(o.interval)
	defer tick.Stop()
	for {
		frame, err := o.frame(ctx, out)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := write(out, frame); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// frame is one output of follow.
func (o statusOptions) frame(ctx context.Context, out io.Writer) ([]byte, error) {
	s, err := o.ask(ctx)
	if o.json {
		if err != nil {
			return nil, err
		}
		line, err := json.Marshal(s)
		return append(line, '\n'), err
	}
	text := "virt-netboot: "
	if err != nil {
		text += printable.Lines(err.Error()) + "\n"
	} else {
		text = s.text(o.colors.on(out))
	}
	if isTerminal(out) {
		const home, clear = "\x1b[H", "\x1b[J" // what is left of a longer frame goes too
		return []byte(home + clear + text), nil
	}
	return []byte(text + "\n"), nil
}
