package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/reconcile/decide"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

func newPlan() *cobra.Command {
	var asJSON bool
	colors := colorAuto
	cmd := &cobra.Command{
		Use:   "plan [--json] [--config FILE]",
		Short: "Show what the rules would change on this node",
		Long: `Show what the agent would change on this node with this configuration. For each
domain, one diff is of its definition and one of its running guest's interfaces.
Then come what waits for the next start, and what still keeps a domain from
booting from the network. Nothing is changed. With mode: observe it shows what
mode: enforce would do.

Passwords and other secrets are shown as ***.

Exit status:
  0  the plan is shown, whether or not it would change something
  1  the output cannot be written, or libvirt did not answer
  2  libvirt cannot be reached, or the configuration cannot be read`,
		Example: `  virt-netboot plan --config ./config.yaml
  virt-netboot plan --json | jq '.domains[] | select(.changes != [])'`,
		Args:                  usage(cobra.NoArgs),
		DisableFlagsInUseLine: true,
	}
	source := configFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON object: domains, summary")
	colorFlag(cmd, &colors, "diffs")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := source.load()
		if err != nil {
			return err
		}
		p, err := planNode(cmd.Context(), c)
		if err != nil {
			return err
		}
		if asJSON {
			return writeJSON(cmd.OutOrStdout(), p)
		}
		return p.print(cmd.OutOrStdout(), colors)
	}
	return cmd
}

// planNode returns what the rules would change on this node, whatever the mode.
func planNode(ctx context.Context, c config.Config) (planned, error) {
	c.Mode = config.ModeEnforce
	conn, err := connect(ctx, c)
	if err != nil {
		return planned{}, err
	}
	defer conn.Close()
	r, err := rewriter(ctx, conn, c, true)
	if err != nil {
		return planned{}, err
	}
	p, err := newPlanned(ctx, conn, r)
	if err != nil {
		return planned{}, &failure{error: err}
	}
	return p, nil
}

// planned is what `plan --json` writes.
type planned struct {
	Domains []plannedDomain `json:"domains"`
	Summary planSummary     `json:"summary"`
}

// planSummary counts the domains.
type planSummary struct {
	Domains    int `json:"domains"`
	Change     int `json:"change"`
	InSync     int `json:"in_sync"` // also where no rule matches
	Reverted   int `json:"reverted"`
	Unreadable int `json:"unreadable"`
	Pending    int `json:"pending"` // those that wait for their next start
	Warnings   int `json:"warnings"`
}

type plannedDomain struct {
	Name        string              `json:"name"`
	UUID        string              `json:"uuid"`
	Rule        string              `json:"rule,omitempty"`
	Reverted    bool                `json:"reverted"`
	Changes     []domainxml.Change  `json:"changes"`      // of the definition
	LiveChanges []domainxml.Change  `json:"live_changes"` // of the running guest
	Pending     []domainxml.Change  `json:"pending"`      // what the running guest gets at its next start
	Warnings    []domainxml.Warning `json:"warnings"`
	Error       string              `json:"error,omitempty"`
	Diff        string              `json:"diff,omitempty"`
}

func newPlanned(ctx context.Context, conn *libvirt.Conn, r domainxml.Rewriter) (planned, error) {
	uuids, err := allDomains(ctx, conn)
	if err != nil {
		return planned{}, err
	}
	p := planned{Domains: []plannedDomain{}}
	for _, uuid := range uuids {
		s, err := conn.Read(ctx, uuid)
		if libvirt.IsNotFound(err) {
			continue // undefined meanwhile
		}
		if err != nil {
			return planned{}, err
		}
		d, err := newPlannedDomain(decide.Enforce(r, s, false))
		if err != nil {
			return planned{}, err
		}
		p.Domains = append(p.Domains, d)
		p.Summary.add(d)
	}
	return p, nil
}

func newPlannedDomain(d decide.Decision) (plannedDomain, error) {
	out := plannedDomain{
		Name: d.Name, UUID: d.UUID, Rule: d.Facts.Rule, Reverted: d.Facts.Reverted,
		Changes:     list(d.Changes),
		LiveChanges: list(d.LiveChanges),
		Pending:     list(d.Facts.Pending),
		Warnings:    list(d.Facts.Warnings),
	}
	if d.Facts.Unreadable != nil {
		out.Error = d.Facts.Unreadable.Error()
		return out, nil
	}
	if d.Define != nil {
		text, err := redactedDiff(d.Name, d.Inactive, d.Name+" (planned)", d.Define)
		if err != nil {
			return out, err
		}
		out.Diff = text
	}
	if len(d.Updates) > 0 {
		text, err := liveDiff(d)
		if err != nil {
			return out, err
		}
		out.Diff += text
	}
	return out, nil
}

// liveDiff shows what becomes of a running guest's interfaces.
func liveDiff(d decide.Decision) (string, error) {
	live, err := domainxml.Parse(d.Live)
	if err != nil {
		return "", err
	}
	return redactedDiff(d.Name+" (running)", d.Live, d.Name+" (running, planned)", live.WithUpdates(d.Updates))
}

func redactedDiff(oldName string, before []byte, newName string, after []byte) (string, error) {
	before, err := domainxml.Redact(before)
	if err != nil {
		return "", fmt.Errorf("hiding the secrets of %s: %w", oldName, err)
	}
	after, err = domainxml.Redact(after)
	if err != nil {
		return "", fmt.Errorf("hiding the secrets of %s: %w", newName, err)
	}
	return string(diff.Diff(oldName, before, newName, after)), nil
}

func (s *planSummary) add(d plannedDomain) {
	s.Domains++
	switch {
	case d.Error != "":
		s.Unreadable++
	case d.Reverted:
		s.Reverted++
	case len(d.Changes)+len(d.LiveChanges) > 0:
		s.Change++
	default:
		s.InSync++
	}
	if len(d.Pending) > 0 {
		s.Pending++
	}
	if len(d.Warnings) > 0 {
		s.Warnings++
	}
}

func (p planned) print(w io.Writer, colors colorMode) error {
	for _, d := range p.Domains {
		if err := write(w, colors.diff(w, []byte(d.Diff))); err != nil {
			return err
		}
		if err := write(w, []byte(d.notes())); err != nil {
			return err
		}
	}
	return write(w, fmt.Appendf(nil, "%s\n", p.Summary))
}

// notes are what the diff does not show.
func (d plannedDomain) notes() string {
	text := ""
	for _, c := range d.Pending {
		text += line("%s: at its next start: %s", d.Name, c)
	}
	for _, warning := range d.Warnings {
		text += line("%s: warning: %s", d.Name, warning)
	}
	if d.Error != "" {
		text += line("%s: left alone: its document cannot be read: %s", d.Name, d.Error)
	}
	return text
}

func (s planSummary) String() string {
	text := fmt.Sprintf("%d domains: %d to change, %d in sync, %d reverted", s.Domains, s.Change, s.InSync, s.Reverted)
	if s.Unreadable > 0 {
		text += fmt.Sprintf(", %d unreadable", s.Unreadable)
	}
	return text + fmt.Sprintf("; %d to wait for their next start, %d with warnings", s.Pending, s.Warnings)
}
