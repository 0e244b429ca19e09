package agent

import (
	"io"

	sdjournal "github.com/coreos/go-systemd/v22/journal"
	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/journal"
	"github.com/virt-netboot/virt-netboot/internal/printable"
)

// NewLogger returns the agent's logger. Where standard error is the journal, it uses
// the journal's own protocol, which keeps the fields.
func NewLogger(c config.Log, stderr io.Writer) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(stderr)
	log.SetFormatter(forTerminal{log.Formatter})
	if c.Format == config.FormatJSON {
		log.SetFormatter(&logrus.JSONFormatter{})
	}
	// An error means that standard error cannot be examined: it is not the journal.
	if isJournal, _ := sdjournal.StderrIsJournalStream(); isJournal {
		log = (&journal.Sink{Identifier: "virt-netboot", Fallback: stderr}).Logger()
	}
	setLevel(log, c.Level)
	return log
}

// forTerminal escapes what is not printable in a message, which logrus leaves as it is
// on a terminal.
type forTerminal struct{ logrus.Formatter }

func (f forTerminal) Format(e *logrus.Entry) ([]byte, error) {
	e.Message = printable.Lines(e.Message)
	return f.Formatter.Format(e)
}

// setLevel sets the least important level that is logged. The configuration has
// logrus's names.
func setLevel(log *logrus.Logger, level config.LogLevel) {
	if l, err := logrus.ParseLevel(string(level)); err == nil {
		log.SetLevel(l)
	}
}
