package main

import (
	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent/reconcile"
)

func newRevert() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "revert [--config FILE] DOMAIN...|--all",
		Short: "Put back what was taken from domains",
		Long: `Put back what the rules have taken from each DOMAIN, a name or a UUID: its boot
order, its kernel with its command line, the filters of its interfaces. Filters
come back on a running guest at once; the rest waits for its next start, and is
said so. No guest is started or stopped.

What was taken is kept in the domain's own <metadata>. The domain is marked
there: the agent and the hook leave it alone from then on, until virt-netboot
apply.

This asks libvirt itself, at gateway.upstream, whether or not the agent runs.

Exit status:
  0  every domain is as it was before
  1  a domain is unknown, or libvirt refused; the others are done
  2  libvirt cannot be reached, or the configuration cannot be read`,
		Example: `  virt-netboot revert instance-00000001
  virt-netboot revert --all`,
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
		return settling{decide: reconcile.Revert, none: "left alone already"}.command(cmd, c, args)
	}
	return cmd
}
