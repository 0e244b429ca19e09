package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/reconcile/decide"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

func newApply() *cobra.Command {
	var sel targets
	cmd := &cobra.Command{
		Use:   "apply [--config FILE] [--files] [DOMAIN...|--all]",
		Short: "Apply the rules to domains and files at once",
		Long: `Apply the rules to each DOMAIN, a name or a UUID, at once, and take away the
mark of virt-netboot revert. Filters come off a running guest at once; its boot
order waits for its next start, and the output says so. No guest is started or
stopped. A boot order that a client has set in a domain which the rules had
changed before goes, too.

The agent does the same by itself for domains without the mark. With mode:
observe only the mark is taken away.

With --files, the files that the configuration names are patched, also those
that virt-netboot revert --files has marked. Where another program has a file
open for writing, the command waits up to eleven seconds.

This asks libvirt itself, at gateway.upstream, whether or not the agent runs.

Exit status:
  0  every domain and file is as the rules want it
  1  a domain is unknown, libvirt refused, or a file failed; the rest is done
  2  libvirt cannot be reached, or the configuration cannot be read`,
		Example: `  virt-netboot apply instance-00000001
  virt-netboot apply --all --files`,
		Args:                  usage(sel.check),
		DisableFlagsInUseLine: true,
	}
	source := configFlag(cmd)
	cmd.ValidArgsFunction = completeDomains(source)
	sel.addFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := source.load()
		if err != nil {
			return err
		}
		var files, domains error
		if sel.files {
			files = applyFiles(cmd, c)
		}
		if sel.domains(args) {
			domains = applyDomains(cmd, c, args)
		}
		return errors.Join(files, domains)
	}
	return cmd
}

func applyDomains(cmd *cobra.Command, c config.Config, domains []string) error {
	conn, err := connect(cmd.Context(), c)
	if err != nil {
		return err
	}
	defer conn.Close()
	r, err := rewriter(cmd.Context(), conn, c, c.Mode == config.ModeObserve)
	if err != nil {
		return err
	}
	return applying(c, r).command(cmd, conn, domains)
}

func applying(c config.Config, r domainxml.Rewriter) syncCommand {
	none := "nothing to change"
	if c.Mode == config.ModeObserve {
		none += ", as the mode is observe"
	}
	return syncCommand{
		decide: func(s libvirt.State) decide.Decision { return decide.Apply(r, s) },
		none:   none,
	}
}
