package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// userHZ is the unit of times in /proc/PID/stat, the same on all of Linux's
// architectures that run libvirt (USER_HZ in proc(5)).
const userHZ = 100

// startError is how far process.started can be off: a tick of the start and one
// of the uptime.
const startError = 2 * time.Second / userHZ

// process is a running program.
type process struct {
	pid     int
	args    []string
	started time.Time // within startError
}

// processes are those that run a program of the name, themselves or, as its
// script, through an interpreter.
func (h Host) processes(name string) ([]process, error) {
	entries, err := os.ReadDir(h.Proc)
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", name, err)
	}
	var found []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue // not a process
		}
		p, err := h.process(pid)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it has ended
		case err != nil:
			return nil, fmt.Errorf("looking for %s: %w", name, err)
		case slices.ContainsFunc(p.args[:min(2, len(p.args))], func(arg string) bool { return filepath.Base(arg) == name }):
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b process) int { return a.pid - b.pid })
	return found, nil
}

func (h Host) process(pid int) (process, error) {
	args, err := os.ReadFile(h.proc(pid, "cmdline"))
	if err != nil {
		return process{}, err
	}
	stat, err := os.ReadFile(h.proc(pid, "stat"))
	if err != nil {
		return process{}, err
	}
	p := process{pid: pid, args: strings.Split(strings.TrimRight(string(args), "\x00"), "\x00")}
	p.started, err = h.startTime(string(stat))
	return p, err
}

// proc is a file of /proc/PID.
func (h Host) proc(pid int, elem ...string) string {
	return filepath.Join(append([]string{h.Proc, strconv.Itoa(pid)}, elem...)...)
}

// startTime is field 22 of /proc/PID/stat, the ticks between the machine's start
// and the process's.
func (h Host) startTime(stat string) (time.Time, error) {
	// Field 2 is the name in parentheses, with any character in it.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return time.Time{}, fmt.Errorf("reading the start time of a process: /proc/PID/stat is %q", stat)
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the start time of a process: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(h.Proc, "uptime"))
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the uptime: %w", err)
	}
	first, _, _ := strings.Cut(string(text), " ")
	uptime, err := time.ParseDuration(first + "s")
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the uptime: %w", err)
	}
	return h.Now().Add(time.Duration(ticks)*time.Second/userHZ - uptime), nil
}

// environ is a variable of a process's environment as it was at its start.
func (h Host) environ(pid int) func(string) (string, bool) {
	text, err := os.ReadFile(h.proc(pid, "environ"))
	if err != nil {
		return nil // as if it had none; only its owner and root may look
	}
	return func(name string) (string, bool) {
		for _, v := range strings.Split(string(text), "\x00") {
			if value, ok := strings.CutPrefix(v, name+"="); ok {
				return value, true
			}
		}
		return "", false
	}
}

// startedBefore reports whether a process has certainly not read a file that was
// changed at that time.
func (p process) startedBefore(changed time.Time) bool {
	return p.started.Add(startError).Before(changed)
}
