package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/virt-netboot/virt-netboot/internal/port"
)

// Host is the machine, as the checks see it.
type Host struct {
	// Root is put before every path: "/".
	Root string
	// Proc is where proc(5) is mounted: "/proc".
	Proc string
	Now  func() time.Time
	// Run runs a program to its end and returns its standard output. An error of
	// a program that ran has what it wrote to its standard error.
	Run func(ctx context.Context, name string, args ...string) ([]byte, error)
	// Libvirt connects to qemu:///system through a unix socket.
	Libvirt func(ctx context.Context, socket string) (Libvirt, error)
	// InspectPort looks at the port of a guest's interface; see port.Inspector.
	InspectPort func(ctx context.Context, device string, boot port.Boot) (port.Report, error)
}

// LocalHost is the machine that this program runs on.
func LocalHost() Host {
	return Host{Root: "/", Proc: "/proc", Now: time.Now, Run: run, Libvirt: dialLibvirt, InspectPort: new(port.Inspector).Inspect}
}

func run(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	// What it prints is read, so it must not be translated.
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("running %s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// path is where a path of the machine really is.
func (h Host) path(path string) string { return filepath.Join(h.Root, path) }

func (h Host) read(path string) (string, error) {
	b, err := os.ReadFile(h.path(path))
	return string(b), err
}

func (h Host) exists(path string) bool {
	_, err := os.Stat(h.path(path))
	return err == nil
}

// resolve is where a file of the machine is, without symbolic links.
func (h Host) resolve(file string) (string, error) {
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(h.Root, real)
	return "/" + rel, err
}

// unknown is a check that could not be made: most often for want of rights.
func unknown(err error) Result {
	if errors.Is(err, fs.ErrPermission) {
		return warning("run it as root: sudo virt-netboot doctor", "not checked: %v", err)
	}
	return warning("see the error; without it this is not known", "not checked: %v", err)
}
