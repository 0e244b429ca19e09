package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// libvirt looks for hooks when it starts and at SIGHUP, and remembers only
// whether the QEMU driver has any (virHooksFound in src/util/virhook.c). It tells
// no client, so this is about traces: what a reload leaves behind, and calls.

// leasesPath is a file that libvirtd makes again at its start and at each reload,
// right after it has looked for hooks (virNWFilterDHCPSnoopEnd in
// src/nwfilter/nwfilter_dhcpsnoop.c). Of the modular daemons it is virtnwfilterd's.
const leasesPath = "/run/libvirt/network/nwfilter.leases"

// sight is what is known of a daemon and the hooks it may have found.
type sight struct {
	daemon string // libvirtd or virtqemud
	pid    int    // 0 when it does not run
	// looked is when the daemon last looked for hooks, as far as can be seen, and
	// why is the trace.
	looked time.Time
	why    string
	// certain: a later look would have left a trace.
	certain bool
	called  time.Time // when the hook last said something; zero for never
	// appeared is when the first of the hooks came to be where it is.
	appeared time.Time
	hook     string // that hook
}

// checkHookFound tells whether the running daemon knows that there is a hook.
func checkHookFound(ctx context.Context, n *node) []Result {
	hooks, err := n.hooks().List()
	if err != nil {
		return one(unknown(err))
	}
	s := n.look(ctx)
	for _, h := range hooks {
		if !h.Executable {
			continue
		}
		at, err := appeared(h.Path, s.looked)
		if err != nil {
			return one(unknown(err))
		}
		if s.hook == "" || at.Before(s.appeared) {
			s.hook, s.appeared = h.Path, at
		}
	}
	return one(judgeSight(s))
}

func judgeSight(s sight) Result {
	remedy := "systemctl reload " + s.daemon
	switch {
	case s.hook == "":
		return failure("see hook-installed", "there is no hook that libvirt could run")
	case s.pid == 0:
		return ok("%s does not run, and looks for hooks when it starts", s.daemon)
	case !s.appeared.After(s.looked):
		return ok("%s (pid %d) has looked for hooks since %s appeared, %s", s.daemon, s.pid, s.hook, s.why)
	case s.called.After(s.appeared):
		return ok("%s was called at %s", s.hook, clock(s.called))
	}
	found := fmt.Sprintf("%s appeared at %s; %s (pid %d) last looked for hooks before, %s", s.hook, clock(s.appeared), s.daemon, s.pid, s.why)
	if s.certain {
		return failure(remedy, "%s, and if it found none then, it calls none", found)
	}
	return warning(remedy, "%s; a later look would leave no trace", found)
}

func clock(t time.Time) string { return t.Format("2006-01-02 15:04:05.000") }

// look gathers the traces of the daemon that runs.
func (n *node) look(ctx context.Context) sight {
	s := sight{daemon: n.daemonName()}
	for _, name := range []string{"virtqemud", "libvirtd"} {
		if pid, started, ok := n.daemonProcess(name); ok {
			s = sight{daemon: name, pid: pid}
			s.saw(started, "when it started")
			break
		}
	}
	if s.pid == 0 {
		return s
	}
	if made, ok := n.born(leasesPath); ok && s.daemon == "libvirtd" {
		s.certain = true
		s.saw(made, "when it made "+leasesPath+" again")
	}
	if reload, err := n.systemdReload(ctx, s.daemon); err == nil {
		s.saw(reload, "when systemd reloaded it")
	}
	if called, err := n.lastCall(ctx); err == nil {
		s.called = called
	}
	return s
}

// saw takes a later trace in an earlier one's place.
func (s *sight) saw(at time.Time, why string) {
	if at.After(s.looked) {
		s.looked, s.why = at, "at "+clock(at)+" "+why
	}
}

// daemonName is libvirt's daemon on this node, whether or not it runs.
func (h Host) daemonName() string {
	if h.exists("/run/libvirt/virtqemud-sock") {
		return "virtqemud"
	}
	return "libvirtd"
}

// daemonProcess finds a daemon by its pid file. The file's time is the daemon's
// start, just before it looks for hooks, and by the same clock as a hook's times,
// whatever happened to the clock since.
func (h Host) daemonProcess(name string) (pid int, started time.Time, ok bool) {
	file := "/run/" + name + ".pid"
	text, err := h.read(file)
	if err != nil {
		return 0, time.Time{}, false
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(text)); err != nil {
		return 0, time.Time{}, false
	}
	comm, err := os.ReadFile(h.proc(pid, "comm"))
	if err != nil || strings.TrimSpace(string(comm)) != name {
		return 0, time.Time{}, false // the file is of one that has died
	}
	info, err := os.Stat(h.path(file))
	if err != nil {
		return 0, time.Time{}, false
	}
	return pid, info.ModTime(), true
}

// appeared is when a hook came to be at its path. A file that was put in the place
// of a link's target is an upgrade, which the daemon need not know of; one that
// was changed where it is may have become executable.
func appeared(path string, looked time.Time) (time.Time, error) {
	entry, err := statx(path, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return time.Time{}, err
	}
	target, err := statx(path, 0)
	if err != nil {
		return time.Time{}, err
	}
	if target.changed.After(entry.changed) && target.born.Before(looked) {
		return target.changed, nil
	}
	return entry.changed, nil
}

// born is when a file was made; false where the file is not there or its file
// system does not know.
func (h Host) born(path string) (time.Time, bool) {
	t, err := statx(h.path(path), 0)
	return t.born, err == nil && !t.born.IsZero()
}

// fileTimes are times that no program can set.
type fileTimes struct {
	born    time.Time // zero where the file system does not know
	changed time.Time
}

func statx(path string, flags int) (fileTimes, error) {
	var s unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, flags, unix.STATX_CTIME|unix.STATX_BTIME, &s); err != nil {
		return fileTimes{}, &fs.PathError{Op: "statx", Path: path, Err: err}
	}
	t := fileTimes{changed: time.Unix(s.Ctime.Sec, int64(s.Ctime.Nsec))}
	if s.Mask&unix.STATX_BTIME != 0 {
		t.born = time.Unix(s.Btime.Sec, int64(s.Btime.Nsec))
	}
	return t, nil
}

// reloading is the MESSAGE_ID of systemd's message that it reloads a unit
// (SD_MESSAGE_UNIT_RELOADING in sd-messages.h). The property ExecReload of the
// service has the time too, but only until systemctl daemon-reload, which an
// installation ends with.
const reloading = "d34d037fff1847e6ae669a370e694725"

// systemdReload is when systemd last reloaded a service; the zero time where the
// journal does not know.
func (h Host) systemdReload(ctx context.Context, service string) (time.Time, error) {
	return h.lastEntry(ctx, "MESSAGE_ID="+reloading, "UNIT="+service+".service", "_PID=1")
}

// lastCall is when the hook last logged something about a call: not every call,
// but proof of one.
func (h Host) lastCall(ctx context.Context) (time.Time, error) {
	return h.lastEntry(ctx, "SYSLOG_IDENTIFIER=virt-netboot", "OPERATION=prepare", "OPERATION=migrate", "OPERATION=restore")
}

// lastEntry is the time of the journal's newest entry that has the fields; the zero
// time where it has none.
func (h Host) lastEntry(ctx context.Context, fields ...string) (time.Time, error) {
	out, err := h.Run(ctx, "journalctl", append([]string{"--quiet", "--output=json", "--lines=1"}, fields...)...)
	if err != nil || len(out) == 0 {
		return time.Time{}, err
	}
	var entry struct {
		Time int64 `json:"__REALTIME_TIMESTAMP,string"` // in µs
	}
	if err := json.Unmarshal(out, &entry); err != nil {
		return time.Time{}, fmt.Errorf("reading journalctl's answer: %w", err)
	}
	return time.UnixMicro(entry.Time), nil
}
