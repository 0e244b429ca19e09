package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
)

// userHZ is the unit of times in /proc/PID/stat, the same on all of Linux's
// architectures that run libvirt (USER_HZ in proc(5)).
const userHZ = 100

// startError is how far process.started can be off: a tick of the start and one
// of the uptime.
const startError = 2 * time.Second / userHZ

// process is a running program.
type process struct {
	procfs.Proc
	args    []string
	started time.Time // within startError
}

// processes are those that run a program of the name, themselves or, as its
// script, through an interpreter.
func (h Host) processes(name string) ([]process, error) {
	proc, err := procfs.NewFS(h.Proc)
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", name, err)
	}
	all, err := proc.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", name, err)
	}
	sort.Sort(all)
	var found []process
	for _, p := range all {
		p, err := h.process(p)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESRCH): // it has ended
		case err != nil:
			return nil, fmt.Errorf("looking for %s: %w", name, err)
		case slices.ContainsFunc(p.args[:min(2, len(p.args))], func(arg string) bool { return filepath.Base(arg) == name }):
			found = append(found, p)
		}
	}
	return found, nil
}

// process reads a process. Its start is reckoned from the uptime: procfs does it from
// the boot time, which is in whole seconds.
func (h Host) process(p procfs.Proc) (process, error) {
	args, err := p.CmdLine()
	if err != nil {
		return process{}, err
	}
	stat, err := p.Stat()
	if err != nil {
		return process{}, err
	}
	text, err := os.ReadFile(filepath.Join(h.Proc, "uptime"))
	if err != nil {
		return process{}, err
	}
	seconds, _, _ := strings.Cut(string(text), " ")
	uptime, err := time.ParseDuration(seconds + "s")
	return process{p, args, h.Now().Add(time.Duration(stat.Starttime)*time.Second/userHZ - uptime)}, err
}

// proc is a file of /proc/PID.
func (h Host) proc(pid int, elem ...string) string {
	return filepath.Join(append([]string{h.Proc, strconv.Itoa(pid)}, elem...)...)
}

// getenv is a variable of the process's environment as it was at its start.
func (p process) getenv(name string) (string, bool) {
	environ, _ := p.Environ() // as if it had none: only its owner and root may look
	for _, v := range environ {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// startedBefore reports whether a process has certainly not read a file that was
// changed at that time.
func (p process) startedBefore(changed time.Time) bool {
	return p.started.Add(startError).Before(changed)
}
