package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/virt-netboot/virt-netboot/e2e/bench/process"
	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// rounds is how often each program is started.
const rounds = 400

// hook times the hook against an empty Go program that copies standard input to
// standard output, and against scripts that do its job: as it is installed, with
// a journal that takes what it logs, first without a configuration and then with
// the one that is packaged.
func (b bench) hook(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "virt-netboot-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	built := filepath.Join(dir, "built", "empty")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", built, "./e2e/bench/testdata/empty")
	build.Dir, build.Stderr = b.root, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building the empty program: %w", err)
	}
	empty, err := process.Install(dir, built)
	if err != nil {
		return err
	}
	if err := os.Remove(lab.ConfigPath); err != nil {
		return err
	}
	if err := b.installHook(dir); err != nil {
		return err
	}
	const hook = lab.HookPath
	fmt.Printf("\nstarting each program %d times …\n", rounds)
	plain, err := b.startEach(ctx, empty, hook)
	if err != nil {
		return err
	}
	if err := b.enable(); err != nil {
		return err
	}
	configured, err := b.startEach(ctx, empty, hook)
	if err != nil {
		return err
	}
	rows := append(hookRows("no configuration", plain), hookRows("packaged configuration", configured)...)
	if err := printTable("the hook, time of a whole process", rows); err != nil {
		return err
	}
	held, err := heldUp(ctx, hook)
	if err != nil {
		return err
	}
	return printTable("the hook, how long it holds up a start", held)
}

// installHook installs the hook as packaged, with a copy of its program in dir.
func (b bench) installHook(dir string) error {
	program, err := process.Install(dir, filepath.Join(b.root, "bin", "qemu-hook"))
	if err != nil {
		return err
	}
	return b.lab.InstallPackagedHook(program)
}

// enable writes the packaged configuration, enabled.
func (b bench) enable() error {
	packaged, err := os.ReadFile(filepath.Join(b.root, "packaging", "config.yaml"))
	if err != nil {
		return err
	}
	enabled, err := config.SetMode("config.yaml", packaged, config.ModeEnforce)
	if err != nil {
		return err
	}
	return b.lab.WriteConfig(string(enabled))
}

// heldUp times the hook where it takes longest, against the two seconds that it
// may hold up a start.
func heldUp(ctx context.Context, hook string) ([]row, error) {
	const limit = 2 * time.Second
	silent, hold, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer silent.Close()
	defer hold.Close()
	var rows []row
	for _, c := range []struct {
		what  string
		stdin io.Reader
	}{
		{"a libvirt that sends no document", silent},
		{"the largest document that is read, 8 MiB", strings.NewReader("<domain type='kvm'>" + strings.Repeat("<a/>", 2_000_000) + "</domain>")},
	} {
		cmd := exec.CommandContext(ctx, hook, "instance-000000be", "prepare", "begin", "-")
		cmd.Stdin = c.stdin
		start := time.Now()
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("timing %s: %w", c.what, err)
		}
		rows = append(rows, row{c.what, "2 s", float64(time.Since(start)) / float64(limit), goal{ratio: 1}})
	}
	return rows, nil
}

func (b bench) startEach(ctx context.Context, empty, hook string) ([]process.Time, error) {
	call := func(operation string) []string { return []string{hook, "instance-000000be", operation, "begin", "-"} }
	times, err := process.Ratios(ctx, rounds, filepath.Join(b.testdata, "domain.xml"),
		process.Command{Name: "empty", Args: []string{empty}},
		process.Command{Name: "started", Args: call("started")},
		process.Command{Name: "prepare", Args: call("prepare")},
		process.Command{Name: "xsltproc", Args: []string{"xsltproc", filepath.Join(b.testdata, "netboot.xsl"), "-"}},
		process.Command{Name: "minidom", Args: []string{"/usr/bin/python3", filepath.Join(b.testdata, "netboot.py")}},
	)
	for _, t := range times {
		fmt.Println(" ", t)
	}
	return times, err
}

func hookRows(with string, times []process.Time) []row {
	took := map[string]float64{}
	for _, t := range times {
		took[t.Name] = t.Median.Seconds()
	}
	const passing = 4 // of the five calls of a guest's life: start, started, stopped and release
	return []row{
		{"the five calls of a guest's life, " + with, "empty Go program", (passing*took["started"] + took["prepare"]) / ((passing + 1) * took["empty"]), goal{ratio: 1.1}},
		{"an operation that passes, " + with, "empty Go program", took["started"] / took["empty"], goal{ratio: 1.05}},
		{"prepare, " + with, "empty Go program", took["prepare"] / took["empty"], goal{ratio: 1.35}},
		{"prepare, " + with, "xsltproc", took["prepare"] / took["xsltproc"], goal{ratio: 0.7}},
		{"prepare, " + with, "Python's minidom", took["prepare"] / took["minidom"], goal{ratio: 0.12}},
	}
}
