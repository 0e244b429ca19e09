package reload

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/internal/config"
)

// settle is how long a file must stay as it is before it is read.
const settle = 100 * time.Millisecond

const observe = "mode: observe\n"

// subject is a Configuration that runs.
type subject struct {
	*Configuration
	t       *testing.T
	dir     string
	hangups chan os.Signal
	log     *lockedBuffer
}

// start runs a configuration whose file is at path, within a directory of the
// test's own.
func start(t *testing.T, path string, prepare func(dir string)) subject {
	t.Helper()
	s := subject{t: t, dir: t.TempDir(), hangups: make(chan os.Signal), log: &lockedBuffer{}}
	prepare(s.dir)
	log := logrus.New()
	log.SetOutput(s.log)
	c, err := config.Load(filepath.Join(s.dir, path))
	if err != nil {
		t.Fatal(err)
	}
	s.Configuration = New(filepath.Join(s.dir, path), c, log)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		s.Run(ctx, s.hangups)
		close(done)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	time.Sleep(3 * settle) // its first look is over
	return s
}

func (s subject) expect(mode config.Mode) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); s.Current().Mode != mode; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the mode is %s, want %s; the log:\n%s", s.Current().Mode, mode, s.log)
		}
	}
}

func (s subject) expectError(part string) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(s.Status().Error, part); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the error is %q, want one with %q; the log:\n%s", s.Status().Error, part, s.log)
		}
	}
}

// TestWaysToChangeAFile: whatever an editor, a package or an operator does, the
// file that is there in the end is in force.
func TestWaysToChangeAFile(t *testing.T) {
	for _, test := range []struct {
		name    string
		path    string // of the configuration
		prepare func(t *testing.T, dir string)
		change  func(t *testing.T, dir string)
	}{
		{"written in place", "config.yaml", nil, func(t *testing.T, dir string) {
			write(t, dir, "config.yaml", observe)
		}},
		{"renamed over", "config.yaml", nil, func(t *testing.T, dir string) {
			write(t, dir, "config.yaml.tmp", observe)
			rename(t, dir, "config.yaml.tmp", "config.yaml")
		}},
		{"moved away and written again, as vim does", "config.yaml", nil, func(t *testing.T, dir string) {
			rename(t, dir, "config.yaml", "config.yaml~")
			write(t, dir, "config.yaml", observe)
		}},
		{"removed and written again", "config.yaml", nil, func(t *testing.T, dir string) {
			remove(t, dir, "config.yaml")
			write(t, dir, "config.yaml", observe)
		}},
		{"written in steps", "config.yaml", nil, func(t *testing.T, dir string) {
			f, err := os.Create(filepath.Join(dir, "config.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for _, part := range []string{"mode: ", "obs", "erve\n"} {
				time.Sleep(settle / 4)
				if _, err := f.WriteString(part); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"its directory replaced", "etc/config.yaml", nil, func(t *testing.T, dir string) {
			write(t, dir, "new/config.yaml", observe)
			rename(t, dir, "etc", "old")
			rename(t, dir, "new", "etc")
		}},
		{"a symlink's target written", "config.yaml", linked, func(t *testing.T, dir string) {
			write(t, dir, "v1/config.yaml", observe)
		}},
		{"a symlink to its directory moved", "config.yaml", linked, func(t *testing.T, dir string) {
			write(t, dir, "v2/config.yaml", observe)
			symlink(t, dir, "v2", "data.tmp")
			rename(t, dir, "data.tmp", "data")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, test.path, func(dir string) {
				if test.prepare == nil {
					write(t, dir, test.path, "mode: enforce\n")
					return
				}
				test.prepare(t, dir)
			})
			test.change(t, s.dir)
			s.expect(config.ModeObserve)
			if s.Status().Error != "" || strings.Contains(s.log.String(), "error") {
				t.Errorf("there was an error on the way: %s\n%s", s.Status().Error, s.log)
			}
			write(t, s.dir, test.path, "mode: enforce\n")
			s.expect(config.ModeEnforce)
		})
	}
}

// linked makes config.yaml a symlink through another one, as Kubernetes does with
// a ConfigMap.
func linked(t *testing.T, dir string) {
	write(t, dir, "v1/config.yaml", "mode: enforce\n")
	symlink(t, dir, "v1", "data")
	symlink(t, dir, "data/config.yaml", "config.yaml")
}

// TestAppears: without a file the defaults are in force until there is one.
func TestAppears(t *testing.T) {
	s := start(t, "a/b/config.yaml", func(string) {})
	if s.Status().Error != "" {
		t.Errorf("a file that was never there is an error: %s", s.Status().Error)
	}
	s.hangups <- syscall.SIGHUP
	write(t, s.dir, "a/b/config.yaml", "mode: enforce\n")
	s.expect(config.ModeEnforce)
	if strings.Contains(s.log.String(), "error") {
		t.Errorf("the log has an error:\n%s", s.log)
	}
}

// expectLogged waits for a text in the log.
func (s subject) expectLogged(want string) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(s.log.String(), want); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the log does not have %q:\n%s", want, s.log)
		}
	}
}

// TestRefused: what was in force stays, and log and status say why.
func TestRefused(t *testing.T) {
	// Not the default's, which a file that is gone would leave in force.
	s := start(t, "config.yaml", func(dir string) { write(t, dir, "config.yaml", observe+"log: {level: debug}\n") })
	write(t, s.dir, "config.yaml", "mode: enforce\nrule: []\nlog: {level: loud}\n")
	s.expectError("\n    2 | rule: []\n      | ^\n")
	s.expectError("\n    3 | log: {level: loud}\n      |              ^")
	if got := s.Current().Mode; got != config.ModeObserve {
		t.Errorf("the mode is %s", got)
	}
	for _, want := range []string{"LINE=2", "LINE=3", `2 | rule: []\n      | ^`, "stays in force"} {
		s.expectLogged(want) // the status comes first
	}
	before := s.Status()
	if before.Mode != config.ModeObserve || !before.Checked.After(before.Loaded) {
		t.Errorf("the status is %+v", before)
	}

	remove(t, s.dir, "config.yaml")
	s.expectError("put the file back")
	write(t, s.dir, "config.yaml", "")
	s.expectError("config.yaml is empty")
	write(t, s.dir, "config.yaml", "mode: enforce\n")
	s.expect(config.ModeEnforce)
	if after := s.Status(); after.Error != "" || !after.Loaded.After(before.Loaded) {
		t.Errorf("the status of a good file is %+v", after)
	}
}

// TestAsked: SIGHUP is answered in the log although nothing changed; a touch of the
// file is not.
func TestAsked(t *testing.T) {
	s := start(t, "config.yaml", func(dir string) { write(t, dir, "config.yaml", observe) })
	write(t, s.dir, "config.yaml", observe+"# a comment\n")
	time.Sleep(3 * settle)
	if s.log.String() != "" {
		t.Errorf("a comment is worth a word:\n%s", s.log)
	}
	s.hangups <- syscall.SIGHUP
	s.hangups <- syscall.SIGHUP // the first one is dealt with
	if !strings.Contains(s.log.String(), "loaded again") {
		t.Errorf("the log is %q", s.log)
	}
}

// TestApply: a configuration is applied once it is in force, and a refused one is not.
func TestApply(t *testing.T) {
	log := logrus.New()
	log.SetOutput(&lockedBuffer{})
	path := filepath.Join(t.TempDir(), "config.yaml")
	c := New(path, config.Default(), log)
	var got []config.Mode
	c.Apply = func(now config.Config) {
		if now.Mode != c.Current().Mode {
			t.Errorf("%s is applied while %s is in force", now.Mode, c.Current().Mode)
		}
		got = append(got, now.Mode)
	}
	var errs []error
	c.Around = func(reload func() error) { errs = append(errs, reload()) }
	for _, yaml := range []string{observe, "mode: off", "mode: enforce"} {
		write(t, filepath.Dir(path), "config.yaml", yaml)
		c.reload(true)
	}
	if diff := cmp.Diff([]config.Mode{config.ModeObserve, config.ModeEnforce}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(errs) != 3 || errs[0] != nil || errs[1] == nil || errs[2] != nil {
		t.Errorf("the errors of the reloads are %v", errs)
	}
}

func TestNeedRestart(t *testing.T) {
	other := config.Config{
		Mode:    config.ModeObserve,
		Gateway: config.Gateway{Listen: "/a", Upstream: "/b", OnRefusal: config.RefusalError},
		Metrics: config.Metrics{Listen: ":1"},
		Log:     config.Log{Level: config.LevelDebug, Format: config.FormatJSON},
	}
	want := []string{"gateway.listen", "gateway.upstream", "metrics.listen", "log.format"}
	if diff := cmp.Diff(want, needRestart(config.Default(), other)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := needRestart(other, other); got != nil {
		t.Errorf("the same needs a restart for %v", got)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, dir, from, to string) {
	t.Helper()
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, dir, target, name string) {
	t.Helper()
	if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// lockedBuffer is for a logger that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
