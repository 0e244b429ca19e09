package resync_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/agent/resync"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// TestMain moves the tests to a mount namespace of their own, so that nothing
// they mount outlives them, and gives the scripts their programs:
//
//	resync [-dry-run] KIND=FILE...   a Watcher until SIGINT; it logs to the file
//	                                 log, keeps its status in status.json, and
//	                                 takes its policy from policy.yaml
//	revert KIND=FILE                 Revert
//	apply KIND=FILE                  Apply
func TestMain(m *testing.M) {
	if strings.HasSuffix(os.Args[0], ".test") && os.Getuid() == 0 && os.Getenv("RESYNC_TEST_NAMESPACE") == "" {
		os.Exit(inNamespace())
	}
	testscript.Main(m, map[string]func(){
		"resync": func() { finish(watchFiles()) },
		"revert": func() { finish(revertFile()) },
		"apply":  func() { finish(applyFile()) },
	})
}

func inNamespace() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "RESYNC_TEST_NAMESPACE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func finish(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func files(args []string) (files []config.File) {
	for _, arg := range args {
		kind, path, _ := strings.Cut(arg, "=")
		files = append(files, config.File{Path: path, Kind: config.FileKind(kind)})
	}
	return files
}

func watchFiles() error {
	dryRun := flag.Bool("dry-run", false, "")
	rescan := flag.Duration("rescan", 0, "")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	out, err := os.Create("log")
	if err != nil {
		return err
	}
	if err := os.WriteFile("pid", []byte(fmt.Sprint(os.Getpid())), 0o644); err != nil {
		return err
	}
	log := logrus.New()
	log.SetOutput(out)
	log.SetLevel(logrus.DebugLevel)
	w := &resync.Watcher{
		Files: files(flag.Args()), Policy: readPolicy, Log: log, DryRun: *dryRun, RescanEvery: *rescan,
	}
	go rescanOnSIGHUP(w)
	go keepStatus(ctx, w)
	return w.Run(ctx)
}

// readPolicy takes the rules of the file policy.yaml, where there is one.
func readPolicy() domainxml.Policy {
	c, err := config.Load("policy.yaml")
	if err != nil {
		panic(err)
	}
	return c.Policy()
}

func rescanOnSIGHUP(w *resync.Watcher) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	for range signals {
		w.Rescan()
	}
}

func keepStatus(ctx context.Context, w *resync.Watcher) {
	last := ""
	for ctx.Err() == nil {
		if b, err := json.Marshal(w.Status()); err == nil && string(b) != last {
			last = string(b)
			_ = os.WriteFile("status.new", append(b, '\n'), 0o644)
			_ = os.Rename("status.new", "status.json")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func revertFile() error {
	r, err := resync.Revert(context.Background(), files(os.Args[1:])[0], say)
	fmt.Printf("restored %v edited %s\n", r.Restored, filepath.Base(r.Edited))
	return err
}

func applyFile() error {
	s, err := resync.Apply(context.Background(), files(os.Args[1:])[0], readPolicy(), say)
	fmt.Println(s.State)
	return err
}

func say(what string) { fmt.Fprintln(os.Stderr, what) }

// TestScripts runs testdata/*.txtar, one behaviour a file.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"patched": patched,
			"swift":   swift,
			"stays":   stays,
			"logs":    logs,
			"status":  status,
			"burst":   burst,
			"tmpfs":   tmpfs,
			"flood":   flood,
			"hold":    hold,
			"attr":    attr,
			"signal":  signalAll,
		},
		Setup:               putStock,
		Condition:           condition,
		RequireExplicitExec: true,
	})
}

// putStock gives each script the file stock, a stock template, want, the same
// patched, and the directory nova.
func putStock(env *testscript.Env) error {
	for _, name := range []string{"stock", "want"} {
		b, err := os.ReadFile(filepath.Join("testdata", name+".template"))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(env.WorkDir, name), b, 0o644); err != nil {
			return err
		}
	}
	env.Setenv("T", filepath.Join(env.WorkDir, "nova/libvirt.xml.template"))
	return os.MkdirAll(filepath.Join(env.WorkDir, "nova"), 0o755)
}

// condition knows "without:PROGRAM" and "without:root": whether a script must be
// left out for want of it. In CI nothing may be left out.
func condition(cond string) (bool, error) {
	need, ok := strings.CutPrefix(cond, "without:")
	if !ok {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	if os.Getenv("CI") != "" {
		return false, nil
	}
	if need == "root" {
		return os.Getuid() != 0, nil
	}
	_, err := exec.LookPath(need)
	return err != nil, nil
}
