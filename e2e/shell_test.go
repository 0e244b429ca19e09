package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// shell is a program that is typed to while it runs.
type shell struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   output
	dead  chan struct{}
	err   error
}

// startShell starts a program with pipes, as another user where credential is
// not nil.
func startShell(t *testing.T, credential *syscall.Credential, name string, args ...string) *shell {
	t.Helper()
	s := &shell{cmd: exec.Command(name, args...), dead: make(chan struct{})}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.stdin = stdin
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.dead)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // fails for one that has ended
		<-s.dead
	})
	return s
}

// startTerminal starts a program on a terminal. script(1) runs it with $SHELL,
// which exec makes it take the place of: dash stays otherwise, and a Ctrl-C ends
// the shell too, with its own exit status.
func startTerminal(t *testing.T, name string, args ...string) *shell {
	t.Helper()
	command := "exec '" + strings.Join(append([]string{name}, args...), "' '") + "'"
	return startShell(t, nil, "script", "--quiet", "--flush", "--return", "--command", command, "/dev/null")
}

func (s *shell) text() string { return s.out.String() }

func (s *shell) typeText(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(s.stdin, text); err != nil {
		t.Fatal(err)
	}
}

func (s *shell) awaitText(t *testing.T, text string) {
	t.Helper()
	await(t, func() error {
		if !strings.Contains(s.text(), text) {
			return fmt.Errorf("%s has not written %q but:\n%s", s.cmd, text, s.text())
		}
		return nil
	})
}

func (s *shell) awaitEnd(t *testing.T) {
	t.Helper()
	await(t, func() error {
		select {
		case <-s.dead:
			return nil
		default:
			return fmt.Errorf("%s has not ended; it wrote:\n%s", s.cmd, s.text())
		}
	})
}

// finish types the last text and returns everything that the program wrote.
func (s *shell) finish(text string) (string, error) {
	if _, err := io.WriteString(s.stdin, text); err != nil {
		return s.text(), err
	}
	if err := s.stdin.Close(); err != nil {
		return s.text(), err
	}
	select {
	case <-s.dead:
		return s.text(), s.err
	case <-time.After(time.Minute):
		return s.text(), fmt.Errorf("%s has not ended", s.cmd)
	}
}

// output is a buffer that is read while it is written to.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(text)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
