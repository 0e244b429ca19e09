package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent/reconcile/decide"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/doctor"
	"github.com/virt-netboot/virt-netboot/internal/explain"
	"github.com/virt-netboot/virt-netboot/internal/port"
)

func newExplain() *cobra.Command {
	var asJSON bool
	var server string
	cmd := &cobra.Command{
		Use:   "explain [--server ADDRESS/BITS] [--json] DOMAIN",
		Short: "Say why a domain does not boot from the network",
		Long: `Say why DOMAIN, a name or a UUID, does not boot from the network: its rule and
those before it, the boot order of its definition and of its running guest, what
is not in sync, what the journal has about it, and for each interface which
frames of a network boot pass its port, and which boot file OpenStack's own DHCP
names to it. At the end is the first thing that stops it, with the command that
takes it away.

A port is looked at without sending a frame. In a Linux bridge the rules of
ebtables and iptables are read: libvirt's nwfilters and Neutron's security
groups. Open vSwitch is asked to trace the frames that the guest sends:
Neutron's OVS firewall and OVN.

--server is the tenant's DHCP server and its subnet, such as 10.77.0.1/24.
Without it the frames are those of a subnet that OpenStack does not know,
192.0.2.0/24.

Exit status:
  0  nothing on this node stops it
  1  something does, or the output cannot be written
  2  libvirt cannot be reached, it has no such domain, or the configuration
     cannot be read`,
		Example: `  virt-netboot explain instance-0000006c
  virt-netboot explain --server 10.77.0.1/24 --json instance-0000006c | jq .cause`,
		Args:                  usage(cobra.ExactArgs(1)),
		DisableFlagsInUseLine: true,
	}
	source := configFlag(cmd)
	cmd.ValidArgsFunction = completeDomains(source)
	cmd.Flags().StringVar(&server, "server", "", "the `ADDRESS/BITS` of the tenant's DHCP server")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON object: rule, changes, warnings, interfaces, cause")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		boot, err := bootOf(server)
		if err != nil {
			return &usageError{cmd, err}
		}
		c, err := source.load()
		if err != nil {
			return err
		}
		e, err := explainDomain(cmd.Context(), c, args[0], boot)
		if err != nil {
			return err
		}
		e.Cause = e.Find(server != "")
		if asJSON {
			err = writeJSON(cmd.OutOrStdout(), e)
		} else {
			err = write(cmd.OutOrStdout(), describeExplanation(e))
		}
		if err != nil || e.Cause.Kind == explain.Nothing {
			return err
		}
		return &failure{error: fmt.Errorf("the cause is %s", e.Cause.Kind), logged: true}
	}
	return cmd
}

func bootOf(server string) (port.Boot, error) {
	if server == "" {
		return port.AnyBoot(), nil
	}
	p, err := netip.ParsePrefix(server)
	if err != nil || !p.Addr().Is4() || p.Bits() > 30 {
		return port.Boot{}, fmt.Errorf("--server %s: want an IPv4 address with the bits of its subnet, as in 10.77.0.1/24", server)
	}
	return port.BootFrom(p), nil
}

// explainDomain asks libvirt and the node.
func explainDomain(ctx context.Context, c config.Config, name string, boot port.Boot) (explain.Explanation, error) {
	observe := c.Mode == config.ModeObserve
	c.Mode = config.ModeEnforce // nothing is changed here in either mode
	conn, err := connect(ctx, c)
	if err != nil {
		return explain.Explanation{}, err
	}
	defer conn.Close()
	r, err := rewriter(ctx, conn, c, true)
	if err != nil {
		return explain.Explanation{}, err
	}
	s, err := conn.Read(ctx, name)
	if err != nil {
		return explain.Explanation{}, err
	}
	d := decide.Enforce(r, s, false)
	e, err := explain.New(d)
	if err != nil {
		return explain.Explanation{}, err
	}
	e.Observe = observe
	if e.Unreadable == "" {
		e.RulesBefore = explain.RulesBefore(r.Policy, d.Facts.Domain)
	}
	if e.History, err = history(ctx, e.UUID); err != nil {
		e.History, e.HistoryError = []explain.Entry{}, err.Error()
	}
	doctor.LocalHost().Ports().Look(ctx, e.Interfaces, boot)
	return e, nil
}

// history is what virt-netboot's agent and hook, which run as root, have written to the
// journal about a domain, the last ten entries.
func history(ctx context.Context, uuid string) ([]explain.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "journalctl", "--quiet", "--output=json", "--lines=10",
		"SYSLOG_IDENTIFIER=virt-netboot", "_UID=0", "UUID="+uuid).Output()
	if err != nil {
		return nil, fmt.Errorf("journalctl: %w", err)
	}
	entries := []explain.Entry{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var entry struct {
			Time int64 `json:"__REALTIME_TIMESTAMP,string"` // in µs
			Text any   `json:"MESSAGE"`                     // numbers where it is no UTF-8
		}
		switch err := d.Decode(&entry); {
		case errors.Is(err, io.EOF):
			return entries, nil
		case err != nil:
			return nil, fmt.Errorf("reading journalctl's answer: %w", err)
		}
		entries = append(entries, explain.Entry{Time: time.UnixMicro(entry.Time), Text: fmt.Sprint(entry.Text)})
	}
}

// describeExplanation is the page for an operator.
func describeExplanation(e explain.Explanation) []byte {
	var b bytes.Buffer
	state := "shut off"
	if e.Active {
		state = "running"
	}
	b.WriteString(line("%s  %s  %s", e.Name, e.UUID, state))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	rule := e.Rule
	if rule == "" {
		rule = "none matches"
	}
	for _, r := range e.RulesBefore {
		fmt.Fprintf(w, "not rule\t%s", line("%s: its match by %s does not fit", r.Name, r.Match))
	}
	fmt.Fprintf(w, "rule\t%s", line("%s", rule))
	fmt.Fprintf(w, "boots from\t%s", line("%s", e.Boots))
	describeGuest(w, "definition", e.Definition)
	describeGuest(w, "running guest", e.Running)
	for _, c := range e.Changes {
		fmt.Fprintf(w, "definition lacks\t%s", line("%s", c))
	}
	for _, c := range e.LiveChanges {
		fmt.Fprintf(w, "guest lacks\t%s", line("%s", c))
	}
	for _, c := range e.Pending {
		fmt.Fprintf(w, "at the next start\t%s", line("%s", c))
	}
	for _, warning := range e.Warnings {
		fmt.Fprintf(w, "warning\t%s", line("%s", warning))
	}
	for _, entry := range e.History {
		fmt.Fprintf(w, "%s\t%s", entry.Time.Format(time.DateTime), line("%s", entry.Text))
	}
	if e.HistoryError != "" {
		fmt.Fprintf(w, "journal\t%s", line("cannot be read: %s", e.HistoryError))
	}
	w.Flush() // to memory
	for _, i := range e.Interfaces {
		describePort(&b, i)
	}
	fmt.Fprintf(&b, "\n%s", line("%s: %s", e.Cause.Kind, e.Cause.Text))
	if e.Cause.Do != "" {
		b.WriteString(line("  to do: %s", e.Cause.Do))
	}
	return b.Bytes()
}

func describeGuest(w io.Writer, what string, g *explain.Guest) {
	if g == nil {
		return
	}
	order, rng := "none, so libvirt's: hd", "no rng"
	if len(g.BootOrder) > 0 {
		order = strings.Join(g.BootOrder, ", ")
	}
	if g.RNG {
		rng = "rng"
	}
	fmt.Fprintf(w, "%s\t%s", what, line("boot order %s; firmware %s; %s", order, g.Firmware, rng))
}

func describePort(b *bytes.Buffer, i explain.Interface) {
	order := ""
	if !i.InBootOrder {
		order = "; not in the boot order"
	}
	if i.Port == nil {
		fmt.Fprintf(b, "\n%s", line("interface %s: %s%s", i.MAC, i.Error, order))
		return
	}
	fmt.Fprintf(b, "\n%s", line("interface %s: %s in %s %s; option ROM %s%s", i.MAC, i.Device, i.Port.Switch, i.Port.Bridge, i.ROM, order))
	switch {
	case i.Port.Offer != nil:
		b.WriteString(line("  OVN answers its DHCP with %s", i.Port.Offer))
	case i.IgnoresIPXE != nil:
		b.WriteString(line("  OpenStack's DHCP names the boot file %s, but %s ignores iPXE", i.BootFile, i.IgnoresIPXE.Server))
	case i.BootFile != "":
		b.WriteString(line("  OpenStack's DHCP names the boot file %s", i.BootFile))
	}
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, p := range append(i.Port.Frames, i.Port.AsServer) {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s", p.Direction, p.Frame, p.Verdict, line("%s", p.Rule))
	}
	w.Flush() // to memory
}
