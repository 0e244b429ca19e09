package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/timeline"
	"github.com/virt-netboot/virt-netboot/internal/trace"
)

// traceFlags are the flags of trace.
type traceFlags struct {
	opts trace.Options
	json bool
}

func newTrace() *cobra.Command {
	var f traceFlags
	cmd := &cobra.Command{
		Use:   "trace [--pcap FILE] [--timeout DURATION] [--json] DOMAIN",
		Short: "Tell what happens while a domain boots from the network",
		Long: `Tell what happens while DOMAIN, a name or a UUID, boots from the network: who
asks for an address, firmware or iPXE, what each DHCP server offers, and which
files are fetched with what result. At the end is a verdict.

The frames are taken where the domain's interfaces meet the node, and nothing
is sent. Of what others broadcast there nothing is shown. Where the domain is
shut off, it waits for its start.

It ends when the boot is over: nothing of it has passed for 20 s, for 40 s where
the guest waits for an answer, or an operating system asks for an address.
Ctrl-C ends it, too, with a verdict about what has passed.

It needs CAP_NET_RAW, and libvirt.

Exit status:
  0  the guest was given a boot file and has got all files that it asked for
  1  it was not, or has not; or the output cannot be written
  2  there is nothing to trace: libvirt cannot be reached, it has no such
     domain, the domain's interfaces have no device on this node, the wait for
     its start was interrupted; or the configuration cannot be read`,
		Example: `  virt-netboot trace instance-0000006c
  virt-netboot trace --pcap boot.pcapng --json instance-0000006c | jq -r .text`,
		Args:                  usage(cobra.ExactArgs(1)),
		DisableFlagsInUseLine: true,
	}
	source := configFlag(cmd)
	cmd.ValidArgsFunction = completeDomains(source)
	flags := cmd.Flags()
	flags.StringVar(&f.opts.File, "pcap", "", "keep the frames in a new `FILE`, for tcpdump and Wireshark")
	flags.DurationVar(&f.opts.Timeout, "timeout", 5*time.Minute, "how long to trace at most, from the start of the guest")
	flags.BoolVar(&f.json, "json", false, "write a JSON object a line: an event each, the verdict at the end")
	completeFlag(cmd, "pcap", completeFiles)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.opts.Timeout <= 0 {
			return &usageError{cmd, fmt.Errorf("--timeout %s: want more than 0", f.opts.Timeout)}
		}
		c, err := source.load()
		if err != nil {
			return err
		}
		f.opts.Domain = args[0]
		return f.run(cmd, c)
	}
	return cmd
}

func (f *traceFlags) run(cmd *cobra.Command, c config.Config) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	conn, err := connect(ctx, c)
	if err != nil {
		return err
	}
	defer conn.Close()
	p := tracePrinter{domain: f.opts.Domain, stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(), json: f.json}
	f.opts.Waiting, f.opts.Started, f.opts.Event = p.waiting, p.started, p.event
	verdict, err := trace.Run(ctx, conn, f.opts)
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted: %w", err)
	}
	if err != nil {
		return err
	}
	if err := p.verdict(verdict); err != nil {
		return err
	}
	if verdict.Outcome != timeline.Fetched {
		return &failure{error: fmt.Errorf("the verdict is %s", verdict.Outcome), logged: true}
	}
	return nil
}

// tracePrinter writes a trace for an operator or for a program. Remarks go to standard
// error.
type tracePrinter struct {
	domain         string
	stdout, stderr io.Writer
	json           bool
	width          int // of the longest device's name
	waited         bool
}

func (p *tracePrinter) waiting() {
	p.waited = true
	io.WriteString(p.stderr, line("%s is shut off: waiting for its start, Ctrl-C ends it", p.domain))
}

func (p *tracePrinter) started(nics []timeline.NIC, without []trace.Skipped) {
	if !p.waited {
		io.WriteString(p.stderr, line("%s runs already: what it did before is not seen", p.domain))
	}
	for _, nic := range nics {
		p.width = max(p.width, len(nic.Device))
		io.WriteString(p.stderr, line("tracing %s on %s", nic.MAC, nic.Device))
	}
	for _, s := range without {
		io.WriteString(p.stderr, line("not tracing %s: %s", s.MAC, s.Why))
	}
}

func (p *tracePrinter) event(e timeline.Event) error {
	if p.json {
		return p.object(e)
	}
	return write(p.stdout, []byte(line("%8.2f s  %-*s  %s", e.Seconds, p.width, e.Device, e.Text)))
}

func (p *tracePrinter) verdict(v timeline.Verdict) error {
	if p.json {
		return p.object(v)
	}
	return write(p.stdout, []byte("\n"+line("%s: %s", v.Outcome, v.Text)))
}

func (p *tracePrinter) object(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return &failure{error: fmt.Errorf("encoding the output: %w", err)}
	}
	return write(p.stdout, b.Bytes())
}
