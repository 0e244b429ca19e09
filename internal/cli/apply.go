package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

func newApply() *cobra.Command {
	var sel targets
	cmd := &cobra.Command{
		Use:   "apply [--config FILE] [--files] [DOMAIN...|--all]",
		Short: "Apply the rules to domains and files at once",
		Long: `Apply the rules to each DOMAIN, a name or a UUID, at once, and take the mark
away that virt-netboot revert has left. Filters come off a running guest at
once; its boot order waits for its next start, and is said so. No guest is
started or stopped.

The agent does the same by itself, but for the domains that are marked. With
mode: observe only the mark is taken away.

With --files, the files that the configuration names are patched, those
included that virt-netboot revert --files has left alone. One that another
program has open for writing is waited for, eleven seconds at most.

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

func applying(c config.Config, r domainxml.Rewriter) settling {
	none := "nothing to change"
	if c.Mode == config.ModeObserve {
		none += ", as the mode is observe"
	}
	return settling{
		decide: func(s libvirt.State) reconcile.Decision { return reconcile.Apply(r, s) },
		none:   none,
	}
}
