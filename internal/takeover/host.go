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
	"syscall"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

const (
	// startsWithin is how long libvirt's daemon may take to start. It answers once it has
	// made the firewall's rules for each interface with a filter, one call of ebtables
	// after the other.
	startsWithin = 5 * time.Minute
	// answersWithin is how long one that runs may take to answer.
	answersWithin = 5 * time.Second
)

// Host is the node that this runs on.
type Host struct{}

// Look returns the node's state. Whether libvirt answers, [State.Ask] finds out.
func Look(ctx context.Context) (State, error) {
	var s State
	if err := s.lookAtFiles(); err != nil {
		return State{}, fmt.Errorf("looking whether the gateway has libvirt's usual path: %w", err)
	}
	units := []string{gatewaySocket, gatewayService}
	for _, d := range append(Daemons(), proxy()) {
		units = append(append(units, d.sockets()...), d.service())
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

// lookAtFiles fills in what the node's files say.
func (s *State) lookAtFiles() error {
	intent, there, err := read(IntentPath)
	if err != nil {
		return err
	}
	if there {
		i := parseIntent(intent)
		s.Intent = &i
	}
	c, _, err := read(config.DefaultPath)
	if err != nil {
		return err
	}
	s.Config = string(c)
	for _, d := range Daemons() {
		if err := s.lookAtDropIn(d.DropIn(), moved(d)); err != nil {
			return err
		}
	}
	d, inFront := s.Enabled()
	if err := s.lookAtDropIn(gatewayDropIn, taken(d)); err != nil {
		return err
	}
	for _, path := range []string{gatewayPath, d.Path} {
		if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSymlink && (inFront || path == gatewayPath) {
			s.Bypassed = append(s.Bypassed, path)
		}
	}
	return nil
}

func (s *State) lookAtDropIn(path, written string) error {
	content, there, err := read(path)
	if !there {
		return err
	}
	s.Files = append(s.Files, path)
	if settings(string(content)) != settings(written) {
		s.Torn = append(s.Torn, path)
	}
	return nil
}

// settings are the lines of a drop-in that are no comments.
func settings(dropIn string) string {
	var b strings.Builder
	for line := range strings.Lines(dropIn) {
		if !strings.HasPrefix(line, "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func read(path string) (content []byte, there bool, err error) {
	content, err = os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return content, err == nil, err
}

// Ask connects to libvirt where its clients do.
func (s *State) Ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	conn, err := libvirt.Dial(ctx, s.Usual())
	if s.Unreachable = err; err == nil {
		s.Version = conn.Version()
		conn.Close()
	}
}

// The unit that makes a change, and the one that starts it while there is an intent.
const (
	changeService = "virt-netboot-takeover.service"
	changePath    = "virt-netboot-takeover.path"
)

// Submit does the plan's first step, and has systemd do the others: they go on when
// this process ends. It returns when they are done, with the error that they ended with.
func Submit(ctx context.Context, p Plan) error {
	var sys Host
	if err := sys.Systemctl(ctx, "start", changePath); err != nil {
		return err
	}
	if err := p.Steps[0].run(ctx, sys); err != nil {
		return err
	}
	return Await(ctx)
}

// Await returns when no change is under way any more, with the error that the last one
// ended with.
func Await(ctx context.Context) error {
	var sys Host
	err := sys.Systemctl(ctx, "start", changeService)
	if err == nil {
		return nil
	}
	text, showErr := exec.CommandContext(ctx, "systemctl", "show", "--property=StatusText", "--value", changeService).Output()
	if why := strings.TrimSpace(string(text)); showErr == nil && why != "" {
		err = errors.New(why)
	}
	// It has been told here, and is no unit that an operator has to look at.
	return errors.Join(err, sys.Systemctl(ctx, "reset-failed", changeService))
}

// SetMode sets the mode in the configuration, which is a single step.
func (s State) SetMode(ctx context.Context, mode config.Mode) error {
	steps, err := s.setMode(mode)
	if err != nil {
		return err
	}
	return Plan{Steps: steps}.Run(ctx, Host{})
}

// Write makes the file, and its directory if need be, or replaces it: owner and mode
// stay, and where it is a symbolic link its target is replaced. Neither a reader nor a
// power cut finds half of it.
func (Host) Write(path, content string) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	dir := filepath.Dir(path)
	if err := makeDir(dir); err != nil {
		return err
	}
	f, err := os.OpenFile(unfinished(path), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := keepOwner(f, path); err != nil {
		return err
	}
	if _, err := f.WriteString(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// keepOwner gives a new file the owner and mode of the one that it replaces.
func keepOwner(f *os.File, path string) error {
	old, err := os.Stat(path)
	if err != nil {
		return f.Chmod(0o644)
	}
	if err := f.Chmod(old.Mode()); err != nil {
		return err
	}
	sys, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return f.Chown(int(sys.Uid), int(sys.Gid))
}

// unfinished is what a file is called while it is written.
func unfinished(path string) string { return path + ".new" }

// makeDir makes a directory whose parent is there.
func makeDir(dir string) error {
	if err := os.Mkdir(dir, 0o755); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// syncDir has what was made, renamed or removed in a directory on the disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Remove removes the file, and its directory where nothing else is in it.
func (Host) Remove(path string) error {
	for _, p := range []string{unfinished(path), path} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	dir := filepath.Dir(path)
	if filepath.Ext(dir) == ".d" && os.Remove(dir) == nil { // it fails where that is not empty
		dir = filepath.Dir(dir)
	}
	if err := syncDir(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
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
	ctx, cancel := context.WithTimeout(ctx, startsWithin)
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
