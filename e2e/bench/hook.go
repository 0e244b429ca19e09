package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/virt-netboot/virt-netboot/e2e/bench/process"
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
	hook, err := process.Install(dir, filepath.Join(b.root, "bin", "qemu-hook"))
	if err != nil {
		return err
	}
	fmt.Printf("\nstarting each program %d times …\n", rounds)
	plain, err := b.startEach(ctx, empty, hook)
	if err != nil {
		return err
	}
	packaged, err := os.ReadFile(filepath.Join(b.root, "packaging", "config.yaml"))
	if err != nil {
		return err
	}
	if err := b.lab.WriteConfig(string(packaged)); err != nil {
		return err
	}
	configured, err := b.startEach(ctx, empty, hook)
	if err != nil {
		return err
	}
	return printTable("the hook, time of a whole process", append(
		hookRows("no configuration", plain), hookRows("packaged configuration", configured)...))
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
	return []row{
		{"an operation that passes, " + with, "empty Go program", took["started"] / took["empty"], goal{ratio: 1.05}},
		{"prepare, " + with, "empty Go program", took["prepare"] / took["empty"], goal{ratio: 1.3}},
		{"prepare, " + with, "xsltproc", took["prepare"] / took["xsltproc"], goal{ratio: 0.7}},
		{"prepare, " + with, "Python's minidom", took["prepare"] / took["minidom"], goal{ratio: 0.12}},
	}
}
