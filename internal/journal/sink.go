// Package journal sends logrus entries with their fields to systemd's journal,
// to syslog where there is no journal, and to a writer where there is neither:
//
//	log := (&journal.Sink{Identifier: "virt-netboot", Fallback: os.Stderr}).Logger()
//	log.WithField("DOMAIN", "vm").Warn("boots a kernel")
//
// Then `journalctl -t virt-netboot DOMAIN=vm` finds it. Sockets are opened at the first
// entry. An entry waits at most a fifth of a second for a journal that does not read: a
// log must not hold up what it is about.
//
// It speaks the journal's protocol itself, because go-systemd's journal package
// imports net, which alone makes a program that lives for a millisecond start a
// tenth slower.
package journal

import (
	"io"
	"sync"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// The sockets of systemd's journal and of syslog(3).
const (
	JournalSocket = "/run/systemd/journal/socket"
	SyslogSocket  = "/dev/log"
)

// Sink is where entries go. Its zero value has no identifier and no fallback,
// and is otherwise ready. It is safe for concurrent use and must not be copied.
type Sink struct {
	// Identifier becomes SYSLOG_IDENTIFIER in the journal and the tag in syslog.
	Identifier string
	// Journal and Syslog are the paths of the sockets; "" means JournalSocket
	// and SyslogSocket.
	Journal, Syslog string
	// Fallback gets logrus's text format where there is neither. It may be nil, which
	// drops the entry.
	Fallback io.Writer

	mu              sync.Mutex
	journal, syslog socket
}

// Logger returns a logger that writes only to the sink.
func (s *Sink) Logger() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.SetFormatter(unformatted{})
	log.AddHook(s)
	return log
}

// Levels implements [logrus.Hook].
func (s *Sink) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements [logrus.Hook]. It returns an error only where writing to Fallback
// fails.
func (s *Sink) Fire(e *logrus.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if path := or(s.Journal, JournalSocket); exists(path) && s.journal.send(path, native(s.Identifier, e)) == nil {
		return nil
	}
	if path := or(s.Syslog, SyslogSocket); exists(path) && s.syslog.send(path, rfc3164(s.Identifier, e)) == nil {
		return nil
	}
	if s.Fallback == nil {
		return nil
	}
	text, err := (&logrus.TextFormatter{DisableColors: true}).Format(e)
	if err != nil {
		return err
	}
	_, err = s.Fallback.Write(text)
	return err
}

// unformatted saves formatting for the logger's own output, which is discarded.
type unformatted struct{}

func (unformatted) Format(*logrus.Entry) ([]byte, error) { return nil, nil }

// exists saves encoding an entry for a socket that is not there.
func exists(path string) bool { return unix.Access(path, unix.F_OK) == nil }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
