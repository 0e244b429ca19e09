package lab

import (
	"bytes"
	"flag"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Run runs the body of a test in a lab of its own, beside the labs of other
// tests. TestMain must call [Main] first. A machine that cannot have a lab fails
// the test. The exception is a user other than root, outside CI: then the test is
// skipped and says so.
func Run(t *testing.T, options Options, body func(t *testing.T, l *Lab)) {
	t.Helper()
	if !Inside() {
		require(t)
		t.Parallel()
		enterTest(t)
		return
	}
	l, err := Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(l.Logs())
		}
	})
	body(t, l)
}

// require is the one place that decides what happens where no lab is possible.
func require(t *testing.T) {
	t.Helper()
	missing := Missing()
	if missing == "" {
		return
	}
	if os.Geteuid() != 0 && os.Getenv("CI") == "" {
		t.Skip("left out, this machine lacks " + missing)
	}
	t.Fatal("this machine lacks " + missing)
}

// enterTest runs this test alone, in a lab.
func enterTest(t *testing.T) {
	t.Helper()
	args := []string{"-test.run=" + selectOnly(t.Name(), flag.Lookup("test.run").Value.String()), "-test.count=1"}
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	if deadline, ok := t.Deadline(); ok {
		// Before this process's own, so that its goroutines are shown.
		args = append(args, "-test.timeout="+max(time.Second, time.Until(deadline)-15*time.Second).String())
	}
	output := &prefixWriter{prefix: "lab | ", to: t.Output()}
	// go test waits for this process at a Ctrl-C.
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	defer stop()
	err := Enter(ctx, func(cmd *exec.Cmd) { cmd.Stdout, cmd.Stderr = output, output }, args...)
	if err != nil {
		t.Error(err)
	}
}

// selectOnly is the -run pattern for one test alone. What the pattern so far says
// of its subtests stays, if it is not one of alternatives.
func selectOnly(test, pattern string) string {
	only := strings.Split(test, "/")
	depth := len(only)
	for i, name := range only {
		only[i] = "^" + regexp.QuoteMeta(name) + "$"
	}
	if all := strings.Split(pattern, "/"); len(all) > depth && !strings.Contains(pattern, "|") {
		only = append(only, all[depth:]...)
	}
	return strings.Join(only, "/")
}

// prefixWriter puts a prefix before every line, so that the inner test's report
// is not taken for the outer one's.
type prefixWriter struct {
	prefix string
	to     io.Writer
	inside bool // in the middle of a line
}

func (w *prefixWriter) Write(text []byte) (int, error) {
	for line := range bytes.Lines(text) {
		if !w.inside {
			line = append([]byte(w.prefix), line...)
		}
		w.inside = !bytes.HasSuffix(line, []byte("\n"))
		if _, err := w.to.Write(line); err != nil {
			return 0, err
		}
	}
	return len(text), nil
}
