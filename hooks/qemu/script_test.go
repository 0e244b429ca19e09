package qemu

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain builds the program, once for all tests, with the working directory as
// its root, and puts it first in PATH.
func TestMain(m *testing.M) {
	status, err := withProgram(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func withProgram(run func() int) (int, error) {
	dir, err := os.MkdirTemp("", "qemu-hook-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", "build", "-ldflags", "-X github.com/virt-netboot/virt-netboot/hooks/qemu.root=.", "-o", dir, "../../cmd/qemu-hook")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building the hook: %w\n%s", err, out)
	}
	if err := os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		return 0, err
	}
	return run(), nil
}

// TestScripts runs testdata/*.txtar, one behaviour a file, against the built
// program, whose root is the script's directory: ./etc/virt-netboot/config.yaml
// and ./run/systemd/journal/socket are what it finds. A script without a configuration
// of its own has the one that virt-netboot enable leaves.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			config := filepath.Join(env.WorkDir, "etc/virt-netboot/config.yaml")
			if _, err := os.Lstat(config); errors.Is(err, fs.ErrNotExist) {
				err := errors.Join(os.MkdirAll(filepath.Dir(config), 0o755), os.WriteFile(config, []byte("mode: enforce\n"), 0o644))
				if err != nil {
					return err
				}
			}
			return os.CopyFS(env.WorkDir, os.DirFS("../testdata"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"answers": answers,
			"journal": listen("run/systemd/journal/socket"),
			"syslog":  listen("dev/log"),
			"logged":  logged,
			"silent":  silent,
		},
		RequireExplicitExec: true,
	})
}

// answers STATUS PROGRAM ARG...: the program ends with this very status. It and
// what it starts have two seconds of CPU time each, as long as a start may be held
// up, and are killed after that. "make bench" has the same limit on the clock.
func answers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: answers STATUS PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	limited := append([]string{"-c", `ulimit -t 2 && exec timeout 30 "$0" "$@"`}, args[1:]...)
	if err := ts.Exec("sh", limited...); err != nil {
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
