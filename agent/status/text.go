package status

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fatih/color"

	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/agent/reload"
	"github.com/virt-netboot/virt-netboot/agent/resync"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/printable"
)

// Text is the status for an operator: a row for each domain, what does not fit into
// the rows, then the files and the agent itself. Durations are up to now.
func (s Status) Text(now time.Time, colors bool) string {
	t := text{now: now, colors: colors}
	if s.Has(ComponentReconcile) {
		t.domains(s)
	}
	t.files(s.Files)
	t.agent(s)
	return t.String()
}

type text struct {
	bytes.Buffer
	now    time.Time
	colors bool
}

// The attributes of lines: plain, a header, a warning, an error.
const (
	plain  = color.Reset
	header = color.Bold
	notice = color.FgYellow
	wrong  = color.FgRed
)

// row is a line of a table.
type row struct {
	attribute color.Attribute
	cells     []string
}

// table writes rows with their columns aligned. It colours a row afterwards, since
// escape sequences would count for the width.
func (t *text) table(rows []row) {
	var aligned bytes.Buffer
	w := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		cells := make([]string, len(r.cells))
		for i, c := range r.cells {
			cells[i] = printable.Line(cmp.Or(c, "-")) // here for its width
		}
		io.WriteString(w, strings.Join(cells, "\t")+"\n")
	}
	w.Flush() // to a buffer, it cannot fail
	for i, line := range strings.SplitAfter(strings.TrimSuffix(aligned.String(), "\n"), "\n") {
		t.line(rows[i].attribute, strings.TrimRight(line, " \n"))
	}
}

func (t *text) line(attribute color.Attribute, line string) {
	line = printable.Line(line)
	if t.colors && attribute != plain {
		c := color.New(attribute)
		c.EnableColor() // whatever the library thinks of standard output
		line = c.Sprint(line)
	}
	t.WriteString(line + "\n")
}

// short limits the length of a name that a tenant chose.
func short(s string) string {
	const widest = 32
	if runes := []rune(printable.Line(s)); len(runes) > widest {
		return string(runes[:widest-1]) + "…"
	}
	return s
}

func (t *text) domains(s Status) {
	if len(s.Domains) == 0 {
		t.line(plain, "No domains.")
		t.WriteByte('\n')
		return
	}
	head := []string{"DOMAIN", "NAME", "PROJECT", "STATE", "BOOTS FROM", "FILTER", "RULE", "PENDING", "WARNINGS"}
	if s.Observe {
		head = append(head, "WOULD CHANGE")
	}
	rows := []row{{header, head}}
	for _, d := range s.Domains {
		r := domainRow(d)
		if s.Observe {
			r.cells = append(r.cells, kinds(d.Wanted, changeKind))
		}
		rows = append(rows, r)
	}
	t.table(rows)
	t.WriteByte('\n')
	var details []row
	for _, d := range s.Domains {
		details = append(details, t.details(d, s.Observe)...)
	}
	if len(details) > 0 {
		for _, r := range details {
			t.line(r.attribute, strings.Join(r.cells, ": "))
		}
		t.WriteByte('\n')
	}
}

func domainRow(d reconcile.DomainStatus) row {
	state, rule, filter := "off", d.Rule, strings.Join(d.Filters, ",")
	if d.Active {
		state = "running"
	}
	if d.Reverted {
		rule = "(reverted)"
	}
	attribute := plain
	switch {
	case d.Error != "", !d.BackingOffUntil.IsZero():
		attribute = wrong
	case len(d.Warnings) > 0:
		attribute = notice
	}
	return row{attribute, []string{
		d.Name, short(d.DisplayName), short(d.Project), state, string(d.BootsFrom), cmp.Or(filter, "none"), rule,
		kinds(d.Pending, changeKind), kinds(d.Warnings, warningKind),
	}}
}

// kinds lists the kinds of changes or warnings, each once.
func kinds[T any](of []T, kind func(T) string) string {
	var all []string
	for _, v := range of {
		if k := kind(v); !slices.Contains(all, k) {
			all = append(all, k)
		}
	}
	return strings.Join(all, ",")
}

func changeKind(c domainxml.Change) string   { return string(c.Kind) }
func warningKind(w domainxml.Warning) string { return string(w.Kind) }

// details are what does not fit into a domain's row.
func (t *text) details(d reconcile.DomainStatus, observe bool) []row {
	var rows []row
	add := func(attribute color.Attribute, what, text string) {
		rows = append(rows, row{attribute, []string{d.Name, what, text}})
	}
	if d.Error != "" {
		add(wrong, "error", d.Error)
	}
	if !d.BackingOffUntil.IsZero() {
		add(wrong, "backing off", "until "+t.clock(d.BackingOffUntil)+", since another program changes it back")
	}
	switch d.Once {
	case domainxml.OncePending:
		add(plain, "once", "pending: the network first at its next start only")
	case domainxml.OnceDone:
		add(plain, "once", "done: it has started from the network; virt-netboot once --cancel lets its rule decide again")
	}
	for _, w := range d.Warnings {
		add(notice, "warning", w.String())
	}
	for _, p := range d.Pending {
		add(plain, "at its next start", p.String())
	}
	wanted := "not done"
	switch {
	case observe:
		wanted = "would change"
	case d.Kept:
		wanted = "kept (existing: keep)"
	}
	for _, w := range d.Wanted {
		add(plain, wanted, w.String())
	}
	return rows
}

func (t *text) files(files []resync.Status) {
	if len(files) == 0 {
		return
	}
	rows := []row{{header, []string{"FILE", "KIND", "STATE", "PATCHED"}}}
	for _, f := range files {
		attribute := plain
		if f.State == resync.StateFailed {
			attribute = wrong
		}
		changed := ""
		if !f.Changed.IsZero() {
			changed = t.clock(f.Changed)
		}
		rows = append(rows, row{attribute, []string{f.Path, string(f.Kind), string(f.State), changed}})
	}
	t.table(rows)
	t.WriteByte('\n')
	written := false
	for _, f := range files {
		for _, note := range f.Notes {
			t.line(plain, f.Path+": "+note.String())
			written = true
		}
		if f.Todo != "" {
			t.line(notice, f.Path+": to do: "+f.Todo)
			written = true
		}
		if f.Error != "" {
			t.line(wrong, f.Path+": error: "+f.Error)
			written = true
		}
	}
	if written {
		t.WriteByte('\n')
	}
}

func (t *text) agent(s Status) {
	if s.Has(ComponentGateway) {
		g := s.Gateway
		t.fact("Gateway", plain, "%d clients; %d calls rewritten, %d refused by libvirt, %d not readable, %d unchanged",
			g.Clients, g.Rewritten, g.Refused, g.Unparsed, g.Unchanged+g.Observed)
		t.fact("", plain, "%s in front of %s", strings.Join(g.Listen, ", "), g.Upstream)
	}
	if s.Has(ComponentReconcile) {
		t.libvirt(s)
	}
	t.config(s.Config)
	t.fact("Agent", plain, "%s, process %d, up for %v", s.Version, s.PID, lasting(t.now.Sub(s.Started)))
}

func (t *text) libvirt(s Status) {
	switch l := s.Libvirt; {
	case l.Connected:
		t.fact("Libvirt", plain, "%s, connected since %s", l.Version, t.clock(l.Since))
	case l.Since.IsZero():
		t.fact("Libvirt", wrong, "not connected yet")
	default:
		t.fact("Libvirt", wrong, "not connected since %s: %s", t.clock(l.Since), l.Error)
	}
	if !s.LastReconcile.IsZero() {
		t.fact("", plain, "all domains inspected %v ago, in %v", lasting(t.now.Sub(s.LastReconcile)), s.Duration.Round(time.Millisecond))
	}
}

func (t *text) config(c reload.Status) {
	t.fact("Config", plain, "%s, mode %s, loaded %s", c.Path, c.Mode, t.clock(c.Loaded))
	if len(c.Restart) > 0 {
		t.fact("", notice, "waits for a restart of the agent: %s", strings.Join(c.Restart, ", "))
	}
	if c.Error != "" {
		t.fact("", wrong, "refused as it was at %s:", t.clock(c.Checked))
		for line := range strings.SplitSeq(c.Error, "\n") {
			t.line(wrong, strings.TrimRight("  "+line, " "))
		}
	}
}

// fact writes a line that begins with what it is about.
func (t *text) fact(about string, attribute color.Attribute, format string, args ...any) {
	fmt.Fprintf(t, "%-9s", about)
	t.line(attribute, fmt.Sprintf(format, args...))
}

func (t *text) clock(at time.Time) string {
	return at.In(t.now.Location()).Format(time.DateTime)
}

// lasting rounds a duration for a person.
func lasting(d time.Duration) string {
	switch {
	case d < 0:
		return "0s" // the clock was set back
	case d < time.Minute:
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}
