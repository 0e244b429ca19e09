package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

const (
	journaldName = "systemd-journald"
	journaldPath = "/lib/systemd/systemd-journald"
	journaldConf = "/etc/systemd/journald.conf.d/lab.conf"
)

// startJournald starts a journal of the lab's own, in memory. journald looks for
// its cgroup once, at its start, and ends without one.
func (l *Lab) startJournald(ctx context.Context) error {
	const conf = "[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\nRateLimitBurst=0\n"
	if err := makeDirs(0o755, "/etc/systemd/journald.conf.d"); err != nil {
		return err
	}
	if err := os.WriteFile(journaldConf, []byte(conf), 0o644); err != nil {
		return err
	}
	const cgroups = "/sys/fs/cgroup"
	if err := mount("cgroup2", cgroups, ""); err != nil {
		return err
	}
	var err error
	l.journald, err = startDaemon(ctx, journaldName, exec.Command(journaldPath), func() error {
		// An answer means that all of its sockets are there.
		_, err := run(exec.CommandContext(ctx, "journalctl", "--sync"))
		return err
	})
	if err != nil {
		return err
	}
	// A newer one keeps files there open.
	if err := unix.Unmount(cgroups, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("taking the cgroups away again: %w", err)
	}
	return nil
}

// StopJournal has the journal read nothing until ContinueJournal.
func (l *Lab) StopJournal() error { return l.journald.cmd.Process.Signal(unix.SIGSTOP) }

// ContinueJournal ends StopJournal.
func (l *Lab) ContinueJournal() error { return l.journald.cmd.Process.Signal(unix.SIGCONT) }

// journalStream is what systemd gives a service as its standard error, and the
// value of JOURNAL_STREAM that goes with it (systemd.exec(5)). The lines before
// the text are those of journald's stdout protocol: identifier, unit, priority,
// level prefix, forward to syslog, to kmsg, to the console.
func journalStream(identifier string) (*os.File, string, error) {
	addr := &net.UnixAddr{Name: "/run/systemd/journal/stdout", Net: "unix"}
	conn, err := net.DialUnix("unix", nil, addr)
	if err != nil {
		return nil, "", fmt.Errorf("connecting to the journal: %w", err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "%s\n\n6\n0\n0\n0\n0\n", identifier); err != nil {
		return nil, "", fmt.Errorf("naming a stream of the journal: %w", err)
	}
	stream, err := conn.File()
	if err != nil {
		return nil, "", err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(stream.Fd()), &stat); err != nil {
		return nil, "", errors.Join(err, stream.Close())
	}
	return stream, fmt.Sprintf("%d:%d", stat.Dev, stat.Ino), nil
}

// Journal returns the entries that journalctl finds, oldest first, each a map
// from a field's name (MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, …) to its value.
// args narrow the search: "-t", "virt-netboot".
func (l *Lab) Journal(ctx context.Context, args ...string) ([]map[string]string, error) {
	if _, err := l.Command(ctx, "journalctl", "--sync"); err != nil {
		return nil, err
	}
	out, err := l.Command(ctx, "journalctl", append([]string{"--output=json", "--quiet"}, args...)...)
	if err != nil {
		return nil, err
	}
	var entries []map[string]string
	for line := range bytes.Lines([]byte(out)) {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			return nil, fmt.Errorf("reading journalctl's answer: %w", err)
		}
		entry := make(map[string]string, len(fields))
		for name, value := range fields {
			// Arrays are repeated fields, or bytes that are not text.
			entry[name] = fmt.Sprint(value)
		}
		entries = append(entries, entry)
	}
	return entries, nil
}
