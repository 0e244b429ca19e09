package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const (
	agentName = "virt-netboot"

	// GatewaySocket is where the gateway listens by default.
	GatewaySocket = "/run/virt-netboot/libvirt-sock"
	// ConfigPath is virt-netboot's configuration, for the hook and the agent.
	ConfigPath = "/etc/virt-netboot/config.yaml"
)

// InstallHook installs bin/qemu-hook as libvirt's hook. A running libvirtd that
// had no hook when it started sees it after a restart.
func (l *Lab) InstallHook() error {
	program, err := os.ReadFile(filepath.Join(programs(), "qemu-hook"))
	if err != nil {
		return fmt.Errorf("installing the hook: %w", err)
	}
	return l.InstallHookScript(program)
}

// InstallHookScript installs any program as libvirt's hook.
func (l *Lab) InstallHookScript(program []byte) error {
	if err := makeDirs(0o755, filepath.Dir(HookPath)); err != nil {
		return err
	}
	// A hook that runs right now cannot be written to, but renamed over.
	if err := os.WriteFile(HookPath+".new", program, 0o755); err != nil {
		return fmt.Errorf("installing the hook: %w", err)
	}
	return os.Rename(HookPath+".new", HookPath)
}

// InstallPackagedHook installs the packages' hook, with another program than theirs for
// it to run.
func (l *Lab) InstallPackagedHook(program string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	script, err := os.ReadFile(filepath.Join(root, "packaging", "qemu-hook"))
	if err != nil {
		return fmt.Errorf("installing the hook: %w", err)
	}
	packaged := []byte("program=/usr/libexec/virt-netboot/qemu-hook\n")
	if !bytes.Contains(script, packaged) {
		return fmt.Errorf("installing the hook: packaging/qemu-hook has no line %s", packaged)
	}
	return l.InstallHookScript(bytes.Replace(script, packaged, []byte("program="+program+"\n"), 1))
}

// WriteConfig writes virt-netboot's configuration.
func (l *Lab) WriteConfig(yaml string) error {
	if err := makeDirs(0o755, filepath.Dir(ConfigPath)); err != nil {
		return err
	}
	return os.WriteFile(ConfigPath, []byte(yaml), 0o644)
}

// StartAgent starts virt-netboot agent as systemd does, with the rights that its
// units leave it and the journal as its standard error, and waits until its gateway
// accepts the clients that libvirtd accepts.
func (l *Lab) StartAgent(ctx context.Context, args ...string) error {
	args = append([]string{"agent"}, args...)
	if _, err := os.Stat(ConfigPath); err == nil {
		args = append(args, "--config", ConfigPath)
	}
	stderr, stream, err := journalStream(agentName)
	if err != nil {
		return err
	}
	defer stderr.Close()
	cmd, err := confined(ctx, filepath.Join(programs(), agentName), args...)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = stderr, stderr
	cmd.Env = append(cmd.Env, "JOURNAL_STREAM="+stream, "GORACE=halt_on_error=1")
	l.agent, err = startDaemon(ctx, agentName, cmd, gatewayReady)
	return err
}

func gatewayReady() error {
	if err := connectable(GatewaySocket); err != nil {
		return err
	}
	libvirt, err := os.Stat(LibvirtSocket)
	if err != nil {
		return err
	}
	gateway, err := os.Stat(GatewaySocket)
	if err != nil {
		return err
	}
	if gateway.Mode() != libvirt.Mode() {
		return fmt.Errorf("%s has mode %v, %s has %v", GatewaySocket, gateway.Mode(), LibvirtSocket, libvirt.Mode())
	}
	return nil
}

// ReloadAgent sends the agent SIGHUP, as systemctl reload does, and does not wait
// for what comes of it.
func (l *Lab) ReloadAgent() error { return l.agent.cmd.Process.Signal(syscall.SIGHUP) }

// StopAgent stops the agent as systemctl stop does. The error is how it ended: not
// with status 0, or with a race that it found in itself.
func (l *Lab) StopAgent() error {
	err := l.agent.stop()
	l.agent = nil
	return err
}

// KillAgent ends the agent with SIGKILL.
func (l *Lab) KillAgent() {
	l.agent.kill()
	l.agent = nil
}

// AgentPID is the agent's process.
func (l *Lab) AgentPID() int { return l.agent.cmd.Process.Pid }

// VirshGateway runs virsh through the gateway and returns what it wrote to its
// standard output.
func (l *Lab) VirshGateway(ctx context.Context, args ...string) (string, error) {
	return l.Command(ctx, "virsh", virshArgs(GatewaySocket, args)...)
}
