package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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
		at, err := Host{Root: "/"}.appeared(hook, looked)
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

// TestSystemdReload reads what busctl 252 prints.
func TestSystemdReload(t *testing.T) {
	const command = `["/bin/kill",["/bin/kill","-HUP","$MAINPID"],false,`
	for out, want := range map[string]time.Time{
		`{"type":"a(sasbttttuii)","data":[` + command + `1767268800000001,5,1767268800100000,6,99,1,0]]}`: time.UnixMicro(1767268800000001),
		`{"type":"a(sasbttttuii)","data":[` + command + `0,0,0,0,0,0,0]]}`:                                {},
		`{"type":"a(sasbttttuii)","data":[]}`:                                                             {},
	} {
		got, err := answering(out, nil).systemdReload(t.Context(), "libvirtd")
		if err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v, want %v", out, got, err, want)
		}
	}
	for _, out := range []string{"", "{}x", `{"data":[["/bin/kill"]]}`} {
		if got, err := answering(out, nil).systemdReload(t.Context(), "libvirtd"); err == nil {
			t.Errorf("%q is read as %v", out, got)
		}
	}
}

// TestLastCall reads what journalctl 252 prints.
func TestLastCall(t *testing.T) {
	got, err := answering(`{"__REALTIME_TIMESTAMP":"1767268800000001","MESSAGE":"x"}`, nil).lastCall(t.Context())
	if want := time.UnixMicro(1767268800000001); err != nil || !got.Equal(want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	if got, err := answering("", nil).lastCall(t.Context()); err != nil || !got.IsZero() {
		t.Errorf("no entry: %v, %v", got, err)
	}
	if _, err := answering("", errors.New("no journal")).lastCall(t.Context()); err == nil {
		t.Error("no journal is no error")
	}
}

// answering is a machine on which every program prints the same.
func answering(out string, err error) Host {
	return Host{Run: func(context.Context, string, ...string) ([]byte, error) { return []byte(out), err }}
}
