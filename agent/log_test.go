package agent

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/internal/config"
)

func TestLoggerFormat(t *testing.T) {
	t.Setenv("JOURNAL_STREAM", "")
	for format, want := range map[config.LogFormat]string{
		config.FormatText: `level=warning msg=hello DOMAIN=vm`,
		config.FormatJSON: `{"DOMAIN":"vm","level":"warning","msg":"hello"`,
	} {
		var out strings.Builder
		log := NewLogger(config.Log{Level: config.LevelWarn, Format: format}, &out)
		log.Info("below the level")
		log.WithField("DOMAIN", "vm").Warn("hello")
		if !strings.Contains(out.String(), want) || strings.Contains(out.String(), "below") {
			t.Errorf("%s: the log is %q, want only %q", format, out.String(), want)
		}
	}
}

// TestLoggerForATerminal: logrus does not quote messages there.
func TestLoggerForATerminal(t *testing.T) {
	var out strings.Builder
	log := NewLogger(config.Log{Level: config.LevelWarn, Format: config.FormatText}, &out)
	log.Formatter.(forTerminal).Formatter.(*logrus.TextFormatter).ForceColors = true
	log.Warn("domain vm\x1b[2J\u202e boots\nfrom disk")
	if !strings.Contains(out.String(), `domain vm\x1b[2J\u202e boots`+"\nfrom disk") {
		t.Errorf("the log is %q", out.String())
	}
}

// TestLoggerKnowsEveryLevel: logrus must understand what the configuration allows.
func TestLoggerKnowsEveryLevel(t *testing.T) {
	for level, want := range map[config.LogLevel]logrus.Level{
		config.LevelError: logrus.ErrorLevel,
		config.LevelWarn:  logrus.WarnLevel,
		config.LevelInfo:  logrus.InfoLevel,
		config.LevelDebug: logrus.DebugLevel,
		config.LevelTrace: logrus.TraceLevel,
	} {
		if log := NewLogger(config.Log{Level: level}, io.Discard); log.Level != want {
			t.Errorf("level %s: %v", level, log.Level)
		}
	}
}

// TestLoggerSpeaksToTheJournal: with standard error on the journal, as systemd
// says in JOURNAL_STREAM, entries must not go there as plain text.
func TestLoggerSpeaksToTheJournal(t *testing.T) {
	var st syscall.Stat_t
	if err := syscall.Fstat(int(os.Stderr.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", st.Dev, st.Ino))
	log := NewLogger(config.Log{Level: config.LevelError, Format: config.FormatText}, os.Stderr)
	if len(log.Hooks[logrus.ErrorLevel]) != 1 || log.Out != io.Discard || log.Level != logrus.ErrorLevel {
		t.Errorf("hooks %v, output %v, level %v", log.Hooks, log.Out, log.Level)
	}
}
