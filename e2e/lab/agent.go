package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	// A hook that runs right now cannot be written to, but renamed over.
	if err := os.WriteFile(HookPath+".new", program, 0o755); err != nil {
		return fmt.Errorf("installing the hook: %w", err)
	}
	return os.Rename(HookPath+".new", HookPath)
}

// WriteConfig writes virt-netboot's configuration.
func (l *Lab) WriteConfig(yaml string) error {
	if err := makeDirs(0o755, filepath.Dir(ConfigPath)); err != nil {
		return err
	}
	return os.WriteFile(ConfigPath, []byte(yaml), 0o644)
}

// StartAgent starts virt-netboot agent and waits for its gateway.
func (l *Lab) StartAgent(ctx context.Context) error {
	args := []string{"agent"}
	if _, err := os.Stat(ConfigPath); err == nil {
		args = append(args, "--config", ConfigPath)
	}
	cmd := exec.Command(filepath.Join(programs(), agentName), args...)
	cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1")
	d, err := startDaemon(ctx, agentName, cmd, func() error { return connectable("unix", GatewaySocket) })
	l.agent = d
	return err
}

// StopAgent stops the agent. Its error is how it ended, or a race that it found
// in itself.
func (l *Lab) StopAgent() error {
	err := l.agent.stop()
	l.agent = nil
	log, readErr := os.ReadFile(logFile(agentName))
	if strings.Contains(string(log), "DATA RACE") {
		return fmt.Errorf("the agent has a data race:\n%s", log)
	}
	return errors.Join(err, readErr)
}

// VirshGateway runs virsh through the gateway and returns what it wrote to its
// standard output.
func (l *Lab) VirshGateway(ctx context.Context, args ...string) (string, error) {
	return l.Command(ctx, "virsh", virshArgs(GatewaySocket, args)...)
}
