package lab

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/virt-netboot/virt-netboot/internal/existing"
)

// Options are what a lab can be given before its daemons start.
type Options struct {
	// LibvirtdConf goes before the lab's own lines in libvirtd.conf: of two lines
	// for one key libvirtd takes the first.
	LibvirtdConf string
	// Hook installs bin/qemu-hook at HookPath.
	Hook bool
	// Config becomes /etc/virt-netboot/config.yaml; "" is one that applies the rules to
	// every domain.
	Config string
}

// Lab is a running compute node, seen from inside. Its methods are not for
// concurrent use, those that run a command excepted.
type Lab struct {
	options  Options
	libvirtd *daemon
	agent    *daemon
	journald *daemon
}

// Open starts the lab's daemons. The calling program must be Inside one.
func Open(ctx context.Context, options Options) (*Lab, error) {
	if !Inside() {
		return nil, errors.New("opening a lab: this program is not in one; call Enter first")
	}
	l := &Lab{options: options}
	if err := l.WriteConfig(cmp.Or(options.Config, "mode: enforce\n")); err != nil {
		return nil, err
	}
	if err := emptyExisting(); err != nil {
		return nil, err
	}
	if options.Hook {
		if err := l.InstallHook(); err != nil {
			return nil, err
		}
	}
	if _, err := l.Command(ctx, "ip", "link", "set", "lo", "up"); err != nil {
		return nil, err
	}
	if err := l.startJournald(ctx); err != nil {
		return nil, err
	}
	if err := l.startVirtlogd(ctx); err != nil {
		return nil, err
	}
	return l, l.StartLibvirtd(ctx)
}

// emptyExisting makes the list of the domains that existing: keep leaves: there is none,
// and those that a test defines before the agent starts follow the rules.
func emptyExisting() error {
	if err := os.MkdirAll(existing.Dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(existing.Dir, existing.Name), nil, 0o644)
}

// Close stops the agent and reports how it ended. Everything else in the lab,
// guests included, ends with the program.
func (l *Lab) Close() error {
	if l.agent == nil {
		return nil
	}
	return l.StopAgent()
}

// Logs are the ends of the daemons' logs, for a person who looks for the cause of
// a failure.
func (l *Lab) Logs() string {
	var b strings.Builder
	for _, name := range []string{agentName, libvirtdName, journaldName} {
		fmt.Fprintf(&b, "--- %s\n%s\n", name, logTail(name))
	}
	return b.String()
}

// Command runs a program to its end and returns its standard output. The error
// of one that fails has what it wrote to its standard error.
func (l *Lab) Command(ctx context.Context, name string, args ...string) (string, error) {
	return run(exec.CommandContext(ctx, name, args...))
}

func run(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
