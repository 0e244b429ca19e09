package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// idle is how long the agent's processor time is watched when nothing happens.
const idle = 10 * time.Second

// asked is how often the agent is asked for its status. With thousands of domains an
// answer takes processor time that the pass would have used.
const asked = time.Second

// reconcile measures how the agent grows with the domains of its node, on a real
// libvirtd: a pass that redefines those that bypassed the gateway, a pass that finds
// everything in sync, and what the agent uses while it waits.
func (b bench) reconcile(ctx context.Context) error {
	fmt.Println("\nthe reconciler, about a minute …")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "domains\tredefined\tin\tall inspected in\tresident memory\tidle processor time\t")
	defined := 0
	for _, n := range []int{100, 1000, 5000} {
		if err := b.define(ctx, defined, n); err != nil {
			return err
		}
		first, _, err := b.pass(ctx, n, 0)
		if err != nil {
			return err
		}
		second, took, err := b.pass(ctx, n, idle)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%d\t%d\t%.2f s\t%.2f s\t%.0f MiB\t%.2f %%\t\n",
			n, n-defined, first.Seconds(), second.Seconds(), float64(took.resident)/(1<<20), 100*took.cpu.Seconds()/idle.Seconds())
		defined = n
	}
	return w.Flush()
}

// define defines the domains from first to last, which is not one of them, bypassing
// the gateway.
func (b bench) define(ctx context.Context, first, last int) error {
	_, err := b.lab.Command(ctx, "/usr/bin/python3", filepath.Join(b.testdata, "define.py"), lab.LibvirtSocket,
		filepath.Join(b.testdata, "domain.xml"), strconv.Itoa(first), strconv.Itoa(last))
	return err
}

// use is what a process takes.
type use struct {
	resident int64         // bytes
	cpu      time.Duration // while it was watched
}

// pass starts an agent and returns how long it took to inspect all n domains, and what
// it used in an idle while after that.
func (b bench) pass(ctx context.Context, n int, watch time.Duration) (time.Duration, use, error) {
	agent := exec.CommandContext(ctx, filepath.Join(b.root, "bin", "virt-netboot"), "agent", "--only", status.ComponentReconcile)
	agent.Cancel = func() error { return agent.Process.Signal(os.Interrupt) }
	if err := agent.Start(); err != nil {
		return 0, use{}, err
	}
	defer func() {
		_ = agent.Process.Signal(os.Interrupt)
		_ = agent.Wait()
	}()
	var s status.Status
	err := lab.Await(ctx, func() (err error) {
		time.Sleep(asked)
		if s, err = status.Node(ctx, status.Dir); err == nil && s.LastReconcile.IsZero() {
			err = errors.New("the agent has not inspected all domains yet")
		}
		return err
	})
	if err != nil {
		return 0, use{}, err
	}
	if len(s.Domains) != n {
		return 0, use{}, fmt.Errorf("the agent inspected %d domains of %d", len(s.Domains), n)
	}
	before, err := processorTime(agent.Process.Pid)
	if err != nil {
		return 0, use{}, err
	}
	time.Sleep(watch)
	after, err := processorTime(agent.Process.Pid)
	if err != nil {
		return 0, use{}, err
	}
	resident, err := residentMemory(agent.Process.Pid)
	return s.Duration, use{resident, after - before}, err
}

// processorTime is what a process has used, with all its threads: its clock of
// clock_getcpuclockid(3).
func processorTime(pid int) (time.Duration, error) {
	const cpuclockSched = 2 // include/linux/posix-timers_types.h
	var used unix.Timespec
	if err := unix.ClockGettime(^int32(pid)<<3|cpuclockSched, &used); err != nil {
		return 0, fmt.Errorf("reading the processor time of process %d: %w", pid, err)
	}
	return time.Duration(used.Nano()), nil
}

// residentMemory is VmRSS of proc_pid_status(5).
func residentMemory(pid int) (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if kib, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(kib, "kB")), 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("no VmRSS in the process's status")
}
