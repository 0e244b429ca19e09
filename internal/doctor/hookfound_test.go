package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestJudgeSight: what the traces of a daemon mean.
func TestJudgeSight(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 1, 1, 12, minute, 0, 0, time.UTC) }
	plain := sight{daemon: "libvirtd", pid: 7, looked: at(1), why: "at its start", hook: "/h", appeared: at(0)}
	for _, c := range []struct {
		name   string
		change func(*sight)
		level  Level
		found  string
	}{
		{"older than the daemon", func(*sight) {}, OK, "looked for hooks since"},
		{"as old as the look", func(s *sight) { s.appeared = at(1) }, OK, "looked for hooks since"},
		{"newer", func(s *sight) { s.appeared, s.certain = at(2), true }, Failure, "it calls none"},
		{"newer, and a reload would not show", func(s *sight) { s.appeared = at(2) }, Warning, "no trace"},
		{"newer, but called since", func(s *sight) { s.appeared, s.certain, s.called = at(2), true, at(3) }, OK, "was called"},
		{"newer, and called before", func(s *sight) { s.appeared, s.certain, s.called = at(2), true, at(1) }, Failure, "it calls none"},
		{"none", func(s *sight) { s.hook = "" }, Failure, "no hook"},
		{"no daemon", func(s *sight) { s.pid, s.appeared = 0, at(9) }, OK, "looks for hooks when it starts"},
	} {
		s := plain
		c.change(&s)
		r := judgeSight(s)
		if r.Level != c.level || !strings.Contains(r.Found, c.found) {
			t.Errorf("%s: %+v, want %v with %q", c.name, r, c.level, c.found)
		}
		if (r.Remedy == "") != (r.Level == OK) {
			t.Errorf("%s: the remedy is %q", c.name, r.Remedy)
		}
	}
}

// TestAppeared: what makes a hook newer than the daemon's last look at it.
func TestAppeared(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(hook, program string) error // after the look
		newer  bool
	}{
		{"nothing", func(_, _ string) error { return nil }, false},
		{"the link is new", func(hook, program string) error {
			return errors.Join(os.Remove(hook), os.Symlink(program, hook))
		}, true},
		{"the program is made executable", func(_, program string) error { return os.Chmod(program, 0o755) }, true},
		{"an upgrade puts another program in place", func(_, program string) error {
			return errors.Join(os.WriteFile(program+".new", nil, 0o755), os.Rename(program+".new", program))
		}, false},
		{"a file takes the link's place", func(hook, _ string) error {
			return errors.Join(os.WriteFile(hook+".new", nil, 0o755), os.Rename(hook+".new", hook))
		}, true},
	} {
		dir := t.TempDir()
		hook, program := filepath.Join(dir, "qemu"), filepath.Join(dir, "qemu-hook")
		if err := errors.Join(os.WriteFile(program, nil, 0o644), os.Symlink(program, hook)); err != nil {
			t.Fatal(err)
		}
		tick(t, dir)
		looked := time.Now()
		tick(t, dir)
		if err := c.change(hook, program); err != nil {
			t.Fatal(err)
		}
		at, err := appeared(hook, looked)
		if err != nil {
			t.Fatal(err)
		}
		if at.After(looked) != c.newer {
			t.Errorf("%s: %v after the look", c.name, at.Sub(looked))
		}
	}
}

// tick waits until the file system's clock has gone on.
func tick(t *testing.T, dir string) {
	t.Helper()
	file := filepath.Join(dir, "tick")
	changed := func() time.Time {
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		times, err := statx(file, 0)
		if err != nil {
			t.Fatal(err)
		}
		return times.changed
	}
	for first := time.Now(); !changed().After(first); {
		time.Sleep(time.Millisecond)
	}
}

// TestLook: which daemon runs, and what of its traces count.
func TestLook(t *testing.T) {
	started := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	reloaded := started.Add(time.Hour)
	for _, c := range []struct {
		name  string
		files map[string]string
		want  sight
	}{
		{"virtqemud, and a file that virtnwfilterd made", map[string]string{
			"run/virtqemud.pid": "7\n", "proc/7/comm": "virtqemud\n", leasesPath: "", "run/libvirt/virtqemud-sock": "",
		}, sight{daemon: "virtqemud", pid: 7, looked: reloaded}},
		{"virtqemud, where libvirtd was", map[string]string{
			"run/libvirtd.pid": "6\n", "run/virtqemud.pid": "7\n", "proc/7/comm": "virtqemud\n", "run/libvirt/virtqemud-sock": "",
		}, sight{daemon: "virtqemud", pid: 7, looked: reloaded}},
		{"virtqemud that no client needed", map[string]string{
			"run/virtqemud.pid": "7\n", "proc/7/comm": "another\n", "run/libvirt/virtqemud-sock": "",
		}, sight{daemon: "virtqemud"}},
		{"libvirtd", map[string]string{
			"run/libvirtd.pid": "6\n", "proc/6/comm": "libvirtd\n",
		}, sight{daemon: "libvirtd", pid: 6, looked: started}},
	} {
		root := t.TempDir()
		for name, text := range c.files {
			path := filepath.Join(root, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644), os.Chtimes(path, started, started)); err != nil {
				t.Fatal(err)
			}
		}
		n := &node{Doctor: Doctor{Host: Host{Root: root, Proc: filepath.Join(root, "proc"), Run: func(_ context.Context, _ string, args ...string) ([]byte, error) {
			if !slices.Contains(args, "UNIT=virtqemud.service") {
				return nil, nil
			}
			return fmt.Appendf(nil, `{"__REALTIME_TIMESTAMP":"%d"}`, reloaded.UnixMicro()), nil
		}}}}
		got := n.look(t.Context())
		if got.daemon != c.want.daemon || got.pid != c.want.pid || !got.looked.Equal(c.want.looked) || got.certain {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestLastEntry reads what journalctl 252 prints.
func TestLastEntry(t *testing.T) {
	got, err := answering(`{"__REALTIME_TIMESTAMP":"1767268800000001","MESSAGE":"x"}`, nil).lastEntry(t.Context())
	if want := time.UnixMicro(1767268800000001); err != nil || !got.Equal(want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	if got, err := answering("", nil).lastEntry(t.Context()); err != nil || !got.IsZero() {
		t.Errorf("no entry: %v, %v", got, err)
	}
	if got, err := answering("{}x", nil).lastEntry(t.Context()); err == nil {
		t.Errorf("nonsense is read as %v", got)
	}
	if _, err := answering("", errors.New("no journal")).lastEntry(t.Context()); err == nil {
		t.Error("no journal is no error")
	}
}

// answering is a machine on which every program prints the same.
func answering(out string, err error) Host {
	return Host{Run: func(context.Context, string, ...string) ([]byte, error) { return []byte(out), err }}
}
