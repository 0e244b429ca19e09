package filewatch

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"
)

// subject is a Watch of two files that are not there yet. The second has a file
// beside it that counts.
type subject struct {
	t       *testing.T
	dir     string
	changed <-chan int
	logged  *logrustest.Hook
}

func start(t *testing.T) subject {
	log := logrus.New()
	log.SetOutput(io.Discard)
	s := subject{t: t, dir: t.TempDir(), logged: logrustest.NewLocal(log)}
	s.changed = Watch(t.Context(), log,
		File{Path: filepath.Join(s.dir, "first")},
		File{Path: filepath.Join(s.dir, "second"), Beside: filepath.Join(s.dir, "beside")})
	return s
}

// expect waits for the index of each file that is told of, then for no other file. A
// machine that stops for a while in the middle of a change makes it a few changes.
func (s subject) expect(files ...int) {
	s.t.Helper()
	for _, want := range files {
		select {
		case got := <-s.changed:
			if got != want {
				s.t.Fatalf("told of file %d, want %d", got, want)
			}
		case <-time.After(30 * time.Second):
			s.t.Fatalf("not told of file %d", want)
		}
	}
	for again := 0; ; again++ {
		select {
		case got := <-s.changed:
			if again == 3 || !slices.Contains(files, got) {
				s.t.Fatalf("told of file %d, want no more", got)
			}
		case <-time.After(pollEvery + 2*settle):
			return
		}
	}
}

// check changes the files.
func (s subject) check() {
	s.t.Helper()
	s.write("first", "1")
	s.expect(0)
	s.write("first", "")
	s.write("first", "22")
	s.write("first", "333")
	s.expect(0)
	s.write("other", "1")
	s.expect()
	s.write("other", "2")
	s.rename("other", "second")
	s.expect(1)
	s.write("beside", "1")
	s.expect(1)
}

func (s subject) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s subject) rename(from, to string) {
	s.t.Helper()
	if err := os.Rename(filepath.Join(s.dir, from), filepath.Join(s.dir, to)); err != nil {
		s.t.Fatal(err)
	}
}

func (s subject) expectLogged(want ...string) {
	s.t.Helper()
	var got []string
	for _, e := range s.logged.AllEntries() {
		got = append(got, e.Message)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		s.t.Errorf("the log has %q, want %q", got, want)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.expect(0, 1)
	s.check()
	s.expectLogged()
}

// instances is how many inotify instances the user namespace of a process may have.
const instances = "/proc/sys/user/max_inotify_instances"

// TestPoll: where inotify has no instance left, the files are polled until it has.
func TestPoll(t *testing.T) {
	t.Parallel()
	if os.Getenv("FILEWATCH_NAMESPACE") == "" {
		inNamespace(t)
		return
	}
	allow := func(count string) {
		if err := os.WriteFile(instances, []byte(count), 0); err != nil {
			t.Fatal(err)
		}
	}
	allow("0")
	s := start(t)
	s.expect(0, 1)
	s.check()
	const polls = "looking at the files every 250ms: no inotify instance is left: raise the sysctl fs.inotify.max_user_instances"
	s.expectLogged(polls)
	allow("1")
	s.expect(0, 1) // for what changed before inotify told of it
	s.expectLogged(polls, "inotify works again")
	s.write("first", "inotify")
	s.expect(0)
}

// inNamespace runs a test again in a user namespace, whose limits it may set.
func inNamespace(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "FILEWATCH_NAMESPACE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) && os.Getenv("CI") == "" {
		t.Skip("needs a user namespace")
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
