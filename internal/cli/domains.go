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
	"github.com/virt-netboot/virt-netboot/agent/nwfilter"
	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/agent/reconcile/decide"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/bootsector"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/initrd"
)

// connect connects to libvirt's own socket, bypassing the gateway.
func connect(ctx context.Context, c config.Config) (*libvirt.Conn, error) {
	conn, err := libvirt.Dial(ctx, libvirt.Upstream(c.Gateway.Upstream))
	if err != nil {
		return nil, fmt.Errorf("%w; is libvirt running, and is this user allowed to use it?", err)
	}
	return conn, nil
}

// rewriter applies the configuration's rules to the domains of a libvirt. It asks that
// libvirt once for the nwfilters that the rules name; with observe it defines none.
func rewriter(ctx context.Context, conn *libvirt.Conn, c config.Config, observe bool) (domainxml.Rewriter, error) {
	filters, err := nwfilter.Find(ctx, conn, c.Policy().Filters(), observe)
	if err != nil {
		return domainxml.Rewriter{}, &failure{error: err}
	}
	r := documentRewriter(c)
	r.NWFilter = filters.Get
	return r, nil
}

// documentRewriter applies the configuration's rules without a libvirt.
func documentRewriter(c config.Config) domainxml.Rewriter {
	return domainxml.Rewriter{Policy: c.Policy(), ReadInitrd: initrd.New().ReadHead, ReadDisk: bootsector.New().Read}
}

// targets are what a revert or apply command line names.
type targets struct {
	all, files bool
}

func (sel *targets) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&sel.all, "all", false, "every domain that libvirt has")
	cmd.Flags().BoolVar(&sel.files, "files", false, "the files that the configuration names; libvirt is asked only where there is a DOMAIN or --all too")
}

// check takes DOMAIN... or --all, or --files without them.
func (sel *targets) check(_ *cobra.Command, args []string) error {
	switch {
	case sel.all && len(args) > 0:
		return errors.New("--all does not take a DOMAIN")
	case !sel.all && !sel.files && len(args) == 0:
		return errors.New("name a DOMAIN, or use --all or --files")
	}
	return nil
}

// domains reports whether domains are named.
func (sel *targets) domains(args []string) bool { return sel.all || len(args) > 0 }

// allDomains are the UUIDs of all domains, in the order of their names.
func allDomains(ctx context.Context, conn *libvirt.Conn) ([]string, error) {
	domains, err := conn.Domains(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(domains, func(a, b libvirt.Domain) int { return strings.Compare(a.Name, b.Name) })
	uuids := make([]string, len(domains))
	for i, d := range domains {
		uuids[i] = d.UUID
	}
	return uuids, nil
}

// syncCommand is a command that changes domains: revert, apply or once.
type syncCommand struct {
	decide func(libvirt.State) decide.Decision
	// none is the text for a domain that needs nothing.
	none string
	// all says that no domain was named: one that disappears is not an error.
	all bool
	// incomplete reports whether a warning says that a domain is not as it was asked
	// for. It may be nil.
	incomplete func(domainxml.Warning) bool
	// then returns more text about a domain. It may be nil.
	then func(decide.Decision) string
}

// command changes the domains that a command line names, or all where it names none.
func (s syncCommand) command(cmd *cobra.Command, conn *libvirt.Conn, domains []string) error {
	if s.all = len(domains) == 0; s.all {
		var err error
		if domains, err = allDomains(cmd.Context(), conn); err != nil {
			return &failure{error: err}
		}
	}
	return s.run(cmd.Context(), conn, domains, cmd.OutOrStdout(), cmd.ErrOrStderr())
}

// run changes the domains, each by its name or UUID. It goes on after one that fails;
// its error has the number of those.
func (s syncCommand) run(ctx context.Context, conn *libvirt.Conn, domains []string, stdout, stderr io.Writer) error {
	failed := 0
	for _, name := range domains {
		text, err := s.one(ctx, conn, name)
		if text != "" {
			err = errors.Join(write(stdout, []byte(text)), err)
		} else if s.all && libvirt.IsNotFound(err) {
			continue
		}
		if err != nil {
			io.WriteString(stderr, line("virt-netboot: %s: %v", name, err))
			failed++
		}
	}
	if failed > 0 {
		return &failure{error: fmt.Errorf("%d of %d domains failed", failed, len(domains))}
	}
	return nil
}

// one changes one domain and returns the text about it.
func (s syncCommand) one(ctx context.Context, conn *libvirt.Conn, name string) (string, error) {
	var done []decide.Decision
	syncer := reconcile.Syncer{
		Libvirt: conn,
		Decide:  s.decide,
		Changed: func(d decide.Decision) { done = append(done, d) },
	}
	d, err := syncer.Sync(ctx, name)
	switch {
	case libvirt.IsNotFound(err):
		return "", fmt.Errorf("libvirt has no domain of this name or UUID: %w", err)
	case err != nil:
		return "", err
	case d.Refused != nil:
		return "", d.Refused
	case d.Facts.Unreadable != nil:
		return "", fmt.Errorf("its document cannot be read: %w", d.Facts.Unreadable)
	}
	for _, before := range done {
		for _, w := range before.Facts.Warnings {
			known := func(other domainxml.Warning) bool { return other.String() == w.String() }
			if !slices.ContainsFunc(d.Facts.Warnings, known) {
				d.Facts.Warnings = append(d.Facts.Warnings, w)
			}
		}
	}
	text := s.describe(d, done)
	if s.incomplete != nil && slices.ContainsFunc(d.Facts.Warnings, s.incomplete) {
		return text, errors.New("not all of it is as it was; see its warnings")
	}
	return text, nil
}

func (s syncCommand) describe(last decide.Decision, done []decide.Decision) string {
	if len(done) == 0 && (s.incomplete == nil || !slices.ContainsFunc(last.Facts.Warnings, s.incomplete)) {
		return line("%s: %s", last.Name, s.none)
	}
	var b strings.Builder
	for _, d := range done {
		describeChanges(&b, d.Name, "", d.Changes)
		describeChanges(&b, d.Name, "in the running guest: ", d.LiveChanges)
	}
	describeChanges(&b, last.Name, "at its next start: ", last.Facts.Pending)
	for _, w := range last.Facts.Warnings {
		b.WriteString(line("%s: warning: %s", last.Name, w))
	}
	if s.then != nil {
		b.WriteString(s.then(last))
	}
	return b.String()
}

func describeChanges(w io.Writer, domain, when string, changes []domainxml.Change) {
	for _, c := range changes {
		io.WriteString(w, line("%s: %s%s", domain, when, c))
	}
}
