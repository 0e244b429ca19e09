package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/reconcile/decide"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

func newOnce() *cobra.Command {
	cancel := false
	cmd := &cobra.Command{
		Use:   "once [--cancel] [--config FILE] DOMAIN...",
		Short: "Boot domains from the network at their next start only",
		Long: `Have each DOMAIN, a name or a UUID, try the network first at its next start,
whatever its rule says. From then on it boots as it would without virt-netboot:
from its disk, so that an installer does not start over. No guest is started or
stopped.

The mark is in the domain's own <metadata>. The definition has the network first
until the domain has started; then the agent puts the boot order back. For this
the agent must run before the guest is shut off, and need not see the start: a
guest that starts and stops while no agent runs tries the network at its next
start again. Where the domain is defined again meanwhile, as Nova does for a
hard reboot, the mark stays if the new document comes through the gateway.

For libvirt, a reboot from inside the guest, as at the end of an installation,
is not a start: QEMU goes on as it is. So as soon as the guest runs, the agent
tells QEMU to try the network last, and such a reboot finds the disk. libvirt
then marks the guest as tainted by "custom-monitor" in its log. Where no agent
runs, a reboot from inside tries the network again.

--cancel takes the mark away, before the start or after it: the rules decide
about the boot order again.

With mode: observe nothing is marked: the agent would not put the boot order
back.

Exit status:
  0  every domain is marked, or with --cancel none is
  1  a domain is unknown, transient or reverted, or libvirt refused; the rest is
     done
  2  libvirt cannot be reached, or the configuration cannot be read`,
		Example: `  virt-netboot once instance-00000001 && virsh start instance-00000001
  virt-netboot once --cancel instance-00000001`,
		Args:                  usage(cobra.MinimumNArgs(1)),
		DisableFlagsInUseLine: true,
	}
	source := configFlag(cmd)
	cmd.ValidArgsFunction = completeDomains(source)
	cmd.Flags().BoolVar(&cancel, "cancel", false, "take the mark away")
	cmd.RunE = func(cmd *cobra.Command, domains []string) error {
		c, err := source.load()
		if err != nil {
			return err
		}
		if c.Mode == config.ModeObserve && !cancel {
			return &failure{error: errors.New("the mode is observe: the agent would not put the boot order back after the start")}
		}
		conn, err := connect(cmd.Context(), c)
		if err != nil {
			return err
		}
		defer conn.Close()
		r, err := rewriter(cmd.Context(), conn, c, cancel)
		if err != nil {
			return err
		}
		return marking(r, cancel).command(cmd, conn, domains)
	}
	return cmd
}

func marking(r domainxml.Rewriter, cancel bool) syncCommand {
	to, none, then := domainxml.OncePending, "marked already", afterwards
	if cancel {
		to, none, then = domainxml.OnceNone, "not marked", nil
	}
	return syncCommand{
		decide: func(s libvirt.State) decide.Decision { return decide.Once(r, s, to) },
		none:   none,
		then:   then,
	}
}

// afterwards says what a marked domain boots from after its next start.
func afterwards(d decide.Decision) string {
	definition, err := domainxml.Parse(d.Inactive)
	if err != nil {
		return ""
	}
	without, err := definition.Revert(false, domainxml.Inactive)
	switch {
	case err != nil:
		return ""
	case without.Start.BootsFrom == domainxml.BootsFromNetwork:
		return line("%s: warning: its own document has the network first, and so it boots from the network after that start, too", d.Name)
	}
	return line("%s: after that start it boots from: %s", d.Name, without.Start.BootsFrom)
}
