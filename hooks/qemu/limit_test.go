package qemu

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/hooks"
)

// script is the packages' hook with another program than theirs.
func script(t *testing.T, program string) string {
	t.Helper()
	text, err := os.ReadFile("../../packaging/qemu-hook")
	if err != nil {
		t.Fatal(err)
	}
	const packaged = "program=/usr/libexec/virt-netboot/qemu-hook\n"
	if !bytes.Contains(text, []byte(packaged)) {
		t.Fatalf("no line %q in the script", packaged)
	}
	return executable(t, strings.Replace(string(text), packaged, "program="+program+"\n", 1))
}

func executable(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(publicDir(t), "program")
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// publicDir is a temporary directory that every user can read.
func publicDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// built is the program in such a directory.
func built(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("qemu-hook")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return executable(t, string(program))
}

// run runs a command with unprepared.xml as its standard input, in a directory where a
// rule refuses that domain's start.
func run(t *testing.T, args ...string) (status int, stdout string) {
	t.Helper()
	doc, err := os.ReadFile("../testdata/unprepared.xml")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = publicDir(t)
	config := filepath.Join(cmd.Dir, "etc/virt-netboot/config.yaml")
	if err := errors.Join(os.MkdirAll(filepath.Dir(config), 0o755), os.WriteFile(config, []byte("rules: [{name: strict, unprepared: deny}]\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = bytes.NewReader(doc)
	out, err := cmd.Output()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// TestShortOfResources: where the kernel gives Go's runtime too little, the program
// ends with 2. The guest goes on all the same, as it is.
func TestShortOfResources(t *testing.T) {
	program := built(t)
	another := strconv.Itoa(1_000_000 + os.Getpid()) // a user without other processes
	for name, limit := range map[string][]string{
		"memory":      {"prlimit", "--as=300000000"},
		"descriptors": {"prlimit", "--nofile=4"},
		"threads":     {"setpriv", "--reuid", another, "--clear-groups", "prlimit", "--nproc=3"},
	} {
		t.Run(name, func(t *testing.T) {
			if limit[0] == "setpriv" && os.Getuid() != 0 {
				t.Skip("only root can become another user")
			}
			call := func(program, operation string) (int, string) {
				return run(t, slices.Concat(limit, []string{program, "vm", operation, "begin", "-"})...)
			}
			if status, _ := call(program, "prepare"); status != 2 {
				t.Errorf("the program alone exits %d: it is not short of anything", status)
			}
			for _, operation := range []string{"prepare", "migrate", "restore", "reconnect", "started"} {
				if status, out := call(script(t, program), operation); status != 0 || out != "" {
					t.Errorf("at %s: exit status %d, output %q", operation, status, out)
				}
			}
		})
	}
}

// TestNoFurtherProcess: bash tries for fifteen seconds, and then the guest goes on.
func TestNoFurtherProcess(t *testing.T) {
	t.Parallel() // it only waits
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	another := strconv.Itoa(2_000_000 + os.Getpid()) // a user without other processes
	status, out := run(t, "setpriv", "--reuid", another, "--clear-groups", "prlimit", "--nproc=1", script(t, built(t)), "vm", "migrate", "begin", "-")
	if status != 0 || out != "" {
		t.Errorf("exit status %d, output %q", status, out)
	}
}

// TestScript: libvirt gets from the script what it gets from the program, unless that
// has not ended well.
func TestScript(t *testing.T) {
	program := built(t)
	for _, operation := range []string{"prepare", "migrate", "restore", "reconnect", "start", "attach", "of a later libvirt"} {
		status, document := run(t, program, "vm", operation, "begin", "-")
		got, out := run(t, script(t, program), "vm", operation, "begin", "-")
		if got != status {
			t.Errorf("at %s: exit status %d, the program's is %d", operation, got, status)
		}
		if diff := cmp.Diff(document, out); diff != "" {
			t.Errorf("at %s: output (-the program's +got):\n%s", operation, diff)
		}
		// What the script does not know, the program has no work with.
		if call := (hooks.Call{Operation: hooks.Operation(operation)}); !call.Handled() && (status != 0 || document != "") {
			t.Errorf("at %s: exit status %d, output %q", operation, status, document)
		}
	}
	if status, out := run(t, script(t, program), "--version"); status != 0 || out != "qemu-hook devel\n" {
		t.Errorf("--version: exit status %d, output %q", status, out)
	}
}

// TestScriptRunsTheProgram where the hook has something to do, and nowhere else.
func TestScriptRunsTheProgram(t *testing.T) {
	refuses := executable(t, "#!/bin/sh\nexit 1\n")
	for _, operation := range []string{"prepare", "migrate", "restore", "reconnect", "start", "started", "stopped", "release", "attach"} {
		want := 0
		if (hooks.Call{Operation: hooks.Operation(operation)}).Handled() {
			want = 1
		}
		if status, _ := run(t, script(t, refuses), "vm", operation, "begin", "-"); status != want {
			t.Errorf("at %s: exit status %d, want %d", operation, status, want)
		}
	}
}

// TestHalfDocument: a program that is killed has no document, though it has begun one.
func TestHalfDocument(t *testing.T) {
	for name, text := range map[string]string{
		"killed":  "#!/bin/sh\nprintf '<domain>'\nkill -KILL $$\n",
		"crashed": "#!/bin/sh\nprintf '<domain>'\nexit 2\n",
	} {
		status, out := run(t, script(t, executable(t, text)), "vm", "migrate", "begin", "-")
		if status != 0 || out != "" {
			t.Errorf("%s: exit status %d, output %q", name, status, out)
		}
	}
	if status, out := run(t, script(t, "/nonexistent"), "vm", "migrate", "begin", "-"); status != 0 || out != "" {
		t.Errorf("missing: exit status %d, output %q", status, out)
	}
}
