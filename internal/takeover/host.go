package takeover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
)

// answerWithin is how long libvirt's daemon may take to start.
const answerWithin = 30 * time.Second

// Host is the node that this runs on.
type Host struct{}

// Look returns the node's state.
func Look(ctx context.Context, upstream string) (State, error) {
	s := State{Upstream: upstream}
	var units []string
	for _, d := range append(Daemons(), proxy()) {
		units = append(append(units, d.sockets()...), d.service())
		if there(d.DropIn()) {
			s.Files = append(s.Files, d.DropIn())
			if info, err := os.Lstat(d.Path); err == nil && info.Mode().Type() == fs.ModeSymlink {
				s.Bypassed = append(s.Bypassed, d.Path)
			}
		}
	}
	if there(gatewayDropIn) {
		s.Files = append(s.Files, gatewayDropIn)
	}
	// It exits with 3 when one is not active.
	out, err := exec.CommandContext(ctx, "systemctl", append([]string{"is-active"}, units...)...).Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return State{}, fmt.Errorf("asking systemd for libvirt's sockets: %w", err)
	}
	for i, state := range strings.Fields(string(out)) {
		if state == "active" && i < len(units) {
			s.Active = append(s.Active, units[i])
		}
	}
	return s, nil
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Write makes the file, and its directory if need be.
func (Host) Write(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), 0o644)
}

// Remove removes the file, and its directory where nothing else is in it.
func (Host) Remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if strings.HasSuffix(filepath.Dir(path), ".d") {
		_ = os.Remove(filepath.Dir(path)) // fails where it is not empty
	}
	return nil
}

// Systemctl runs systemctl.
func (Host) Systemctl(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Connect opens the QEMU driver at the path, and waits for a daemon that starts.
func (Host) Connect(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	for {
		conn, err := libvirt.Dial(ctx, path)
		if err == nil {
			conn.Close()
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("libvirt does not answer at %s: %w", path, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
