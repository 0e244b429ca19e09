package cli

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent"
	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/existing"
)

func newAgent() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "agent [--config FILE] [--only COMPONENT,...] [--run-dir DIR] [--state-dir DIR]",
		Short: "Run the node agent",
		Long: `Run the node agent, in the foreground, until SIGTERM or SIGINT. Calls under way
are then finished first; a second signal ends it at once. At SIGUSR2, which
systemd sends for a restart of the service, its clients' connections go into
systemd's file descriptor store, and the next agent goes on with them.

The agent listens on gateway.listen, or on the sockets that systemd passes it,
in front of libvirt's own socket, gateway.upstream. Domains that are defined or
created there, and devices that are attached or updated there, are changed as
the rules want it; everything else passes as it is. libvirt sees each client's
own user and group, which takes CAP_SETUID and CAP_SETGID. A client needs only
another URI:

  virsh -c 'qemu+unix:///system?socket=/run/virt-netboot/libvirt-sock'

It also inspects the domains that libvirt has: at its start, when libvirt says
that one has changed, and every five minutes. It redefines those that bypassed
the gateway, and takes filters off the interfaces of running guests; their boot
order waits for the next start. No guest is started or stopped. After another
program has changed a domain back three times within a minute, the agent backs
off: it leaves the domain alone for an hour. A domain that virt-netboot revert
has marked is left alone until virt-netboot apply. With existing: keep, so is
one that was there when the mode became enforce.

Nova's files that the configuration names are patched, and patched again when
something puts the stock ones back.

Metrics for Prometheus are at http://HOST:PORT/metrics, where metrics.listen is
not empty. Where the address is taken, the log says so, and the agent runs
without metrics.

The configuration is read again when its file changes, and at SIGHUP. One with
an error is refused: the log says where it is, and the one before stays. Rules,
mode, files, gateway.on_refusal and log.level take effect at once, also on
connections that are open; the rest waits for a restart, and the log says so.

The log goes to the journal with its fields where standard error does, as in a
systemd service: journalctl -t virt-netboot. Elsewhere it goes to standard
error. The service manager is told when the agent is ready, reloads and stops,
and with WatchdogSec= that clients are still served (sd_notify, Type=notify).

With --only it runs some of its components: gateway is the socket, reconcile the
domains that libvirt has, files Nova's files, metrics the address for
Prometheus. So that each has only the rights it needs, virt-netboot.service runs
all but the files, and virt-netboot-files.service the files. An agent with only
the files ends when it can no longer write to their directory: in a systemd unit
that is so after the directory was made again, and until a restart.

Exit status:
  0  ended by a signal
  1  the socket is taken or cannot be made, or it failed later; for the files
     alone, their directory has become read-only
  2  the configuration cannot be read`,
		Args:                  usage(cobra.NoArgs),
		DisableFlagsInUseLine: true,
	}
	source := configFlag(cmd)
	only, dir := onlyFlag(cmd), runDirFlag(cmd)
	stateDir := cmd.Flags().String("state-dir", existing.Dir, "the `DIR` of the list of the domains that existing: keep leaves")
	completeFlag(cmd, "state-dir", completeDirs)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := source.load()
		if err != nil {
			return err
		}
		log := agent.NewLogger(c.Log, cmd.ErrOrStderr())
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		context.AfterFunc(ctx, stop)
		a := agent.New(source.path, c, log, agent.Options{Only: *only, Dir: *dir, StateDir: *stateDir})
		if err := a.Run(ctx); err != nil {
			log.WithError(err).Error("the agent stops")
			return &failure{error: err, logged: true}
		}
		return nil
	}
	return cmd
}

// onlyFlag adds --only.
func onlyFlag(cmd *cobra.Command) *agent.Components {
	s := &agent.Components{}
	cmd.Flags().Var(s, "only", "run these components of the agent: gateway, reconcile, files, metrics")
	completeFlag(cmd, "only", completeComponents)
	return s
}

// runDirFlag adds --run-dir.
func runDirFlag(cmd *cobra.Command) *string {
	dir := cmd.Flags().String("run-dir", status.Dir, "the `DIR` of the sockets that the hook and virt-netboot status use")
	completeFlag(cmd, "run-dir", completeDirs)
	return dir
}
