package qemu

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/*.txtar, one behaviour a file, against the built
// program, whose root is the script's directory: ./etc/virt-netboot/config.yaml
// and ./run/systemd/journal/socket are what it finds.
func TestScripts(t *testing.T) {
	program := build(t, ".")
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(program)+string(os.PathListSeparator)+env.Getenv("PATH"))
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

// build builds the program with another root and returns its path.
func build(t *testing.T, root string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "qemu-hook")
	cmd := exec.Command("go", "build", "-ldflags", "-X github.com/virt-netboot/virt-netboot/hooks/qemu.root="+root, "-o", program, "../../cmd/qemu-hook")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the hook: %v\n%s", err, out)
	}
	return program
}

// answers STATUS PROGRAM ARG...: the program ends with this very status, within
// the two seconds that a start may be held up.
func answers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: answers STATUS PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	start := time.Now()
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("running %s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if took := time.Since(start); took > 2*time.Second {
		ts.Fatalf("%s took %v", args[1], took)
	}
	if got != want {
		ts.Fatalf("%s exits %d, want %d", args[1], got, want)
	}
}
