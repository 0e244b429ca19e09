package main

import (
	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/reconcile"
)

func newApply() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "apply [--config FILE] DOMAIN...|--all",
		Short: "Apply the rules to domains that are defined",
		Long: `Apply the rules to each DOMAIN, a name or a UUID, at once, and take the mark
away that virt-netboot revert has left. Filters come off a running guest at
once; its boot order waits for its next start, and is said so. No guest is
started or stopped.

The agent does the same by itself, but for the domains that are marked.

This asks libvirt itself, at gateway.upstream, whether or not the agent runs.

Exit status:
  0  every domain is as the rules want it
  1  a domain is unknown, or libvirt refused; the others are done
  2  libvirt cannot be reached, or the configuration cannot be read`,
		Example: `  virt-netboot apply instance-00000001
  virt-netboot apply --all`,
		Args:                  usage(domainArgs(&all)),
		DisableFlagsInUseLine: true,
	}
	source := configFlag(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "every domain that libvirt has")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := source.load()
		if err != nil {
			return err
		}
		rewriter := newRewriter(c)
		decide := func(s libvirt.State) reconcile.Decision { return reconcile.Apply(rewriter, s) }
		return settling{decide: decide, none: "nothing to change"}.command(cmd, c, args)
	}
	return cmd
}
