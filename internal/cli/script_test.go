package cli

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"virt-netboot": func() { os.Exit(Main()) }})
}

// TestScripts runs testdata/*.txtar, one behaviour a file.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			script, err := filepath.Abs("../../packaging/qemu-hook")
			env.Setenv("HOOK_SCRIPT", script)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"within":  within,
			"appears": appears,
			"hook":    hookReports,
			"program": hookPrograms(),
			"metrics": metrics,
		},
		Condition:           condition,
		RequireExplicitExec: true,
	})
}

// condition knows "without:root", since CI may skip nothing, and "file:PATH".
func condition(cond string) (bool, error) {
	if path, ok := strings.CutPrefix(cond, "file:"); ok {
		_, err := os.Stat(path)
		return err == nil, nil
	}
	if cond != "without:root" {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	return os.Getuid() != 0 && os.Getenv("CI") == "", nil
}

// exits STATUS PROGRAM ARG...: the program ends with this very status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("running %s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s exits %d, want %d", args[1], got, want)
	}
}

// within FILE REGEXP: the file comes to have it within half a minute.
func within(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: within FILE REGEXP")
	}
	wait(ts, args[0], args[1])
}

// appears FILE: it is there within half a minute.
func appears(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: appears FILE")
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Lstat(ts.MkAbs(args[0])); err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not appear within 30 s", args[0])
		}
	}
}

// hookPrograms is the command
//
//	program FILE: the file is the hook's program.
//
// It builds the program for the first script that has it.
func hookPrograms() func(*testscript.TestScript, bool, []string) {
	build := sync.OnceValues(func() ([]byte, error) {
		dir, err := os.MkdirTemp("", "qemu-hook")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		program := filepath.Join(dir, "qemu-hook")
		cmd := exec.Command("go", "build", "-o", program, "../../cmd/qemu-hook")
		if out, err := cmd.CombinedOutput(); err != nil {
			return out, err
		}
		return os.ReadFile(program)
	})
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 1 {
			ts.Fatalf("usage: program FILE")
		}
		program, err := build()
		if err != nil {
			ts.Fatalf("building the hook: %v\n%s", err, program)
		}
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), program, 0o755))
	}
}

// hook SOCKET REPORT: the hook sends a report.
func hookReports(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hook SOCKET REPORT")
	}
	agent, err := net.Dial("unixgram", ts.MkAbs(args[0]))
	ts.Check(err)
	defer agent.Close()
	_, err = agent.Write([]byte(args[1]))
	ts.Check(err)
}

// metrics FILE REGEXP: the metrics, at the address that the log in the file
// tells, come to have it, or with ! not to have it, within half a minute.
func metrics(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] metrics FILE REGEXP")
	}
	url := wait(ts, args[0], `http://[0-9.:]+/metrics`)
	re := regexp.MustCompile(`(?m)` + args[1])
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		text := get(ts, url)
		if re.MatchString(text) != neg {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s is wrong about %s:\n%s", url, args[1], text)
		}
	}
}

func get(ts *testscript.TestScript, url string) string {
	resp, err := http.Get(url)
	ts.Check(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	ts.Check(err)
	return string(b)
}

// wait returns what of the file matches.
func wait(ts *testscript.TestScript, file, pattern string) string {
	re := regexp.MustCompile(`(?m)` + pattern)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(ts.MkAbs(file))
		if m := re.FindString(string(b)); m != "" {
			return m
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s (%v) has no %s within 30 s:\n%s", file, err, pattern, b)
		}
	}
}
