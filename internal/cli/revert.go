package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/nwfilter"
	"github.com/virt-netboot/virt-netboot/agent/reconcile/decide"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

func newRevert() *cobra.Command {
	var sel targets
	cmd := &cobra.Command{
		Use:   "revert [--config FILE] [--files [--unmarked]] [DOMAIN...|--all]",
		Short: "Put back what was taken from domains and files",
		Long: `Put back what the rules have taken from each DOMAIN, a name or a UUID: its boot
order, its kernel with its command line, the filters of its interfaces. Filters
come back on a running guest at once; the output says what waits for its next
start. No guest is started or stopped.

The undo record in the domain's own <metadata> has what was taken. The domain is
marked there: the agent and the hook leave it alone until virt-netboot apply.
What another program has set since stays, and the output says so. A filter that
libvirt does not have any more stays off, as the guest could not start with it.

With --files, the stock files come back that the agent has patched. A marker
beside each has the agent leave it alone until virt-netboot apply --files.
--unmarked leaves no marker, for when virt-netboot is removed: an agent that
runs would patch the files again. Where another program has a file open for
writing, the command waits up to eleven seconds.

This asks libvirt itself, at gateway.upstream, whether or not the agent runs.

Exit status:
  0  every domain and file is as it was before
  1  a domain is unknown, one that was named has no undo record, a filter cannot
     come back, libvirt refused, or a file failed; the rest is done
  2  libvirt cannot be reached, or the configuration cannot be read`,
		Example: `  virt-netboot revert instance-00000001
  virt-netboot revert --all --files`,
		Args:                  usage(sel.check),
		DisableFlagsInUseLine: true,
	}
	source := configFlag(cmd)
	cmd.ValidArgsFunction = completeDomains(source)
	sel.addFlags(cmd)
	unmarked := cmd.Flags().Bool("unmarked", false, "leave no marker beside the files")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := source.load()
		if err != nil {
			return err
		}
		var files, domains error
		if sel.files {
			files = revertFiles(cmd, c, *unmarked)
		}
		if sel.domains(args) {
			domains = revertDomains(cmd, c, args)
		}
		return errors.Join(files, domains)
	}
	return cmd
}

func revertDomains(cmd *cobra.Command, c config.Config, domains []string) error {
	conn, err := connect(cmd.Context(), c)
	if err != nil {
		return err
	}
	defer conn.Close()
	r := domainxml.Rewriter{NWFilter: func(name string) domainxml.NWFilter {
		filter, err := nwfilter.Inspect(cmd.Context(), conn, name)
		if err != nil {
			return domainxml.NWFilter{} // put back as it was
		}
		return filter
	}}
	return syncCommand{
		decide:     func(s libvirt.State) decide.Decision { return decide.Revert(r, s) },
		none:       "left alone already",
		incomplete: func(w domainxml.Warning) bool { return notPutBack(w, len(domains) > 0) },
	}.command(cmd, conn, domains)
}

// notPutBack reports whether a revert leaves something that its operator has to do. That
// a domain has no undo record is a remark where all are reverted: those whose clients
// wrote the network first have none.
func notPutBack(w domainxml.Warning, named bool) bool {
	return w.Kind == domainxml.WarningFilterLeft || named && w.Kind == domainxml.WarningNoRecord
}
