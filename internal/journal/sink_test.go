package journal

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// listen makes a datagram socket and returns its path and a function that
// returns the next datagram in it.
func listen(t *testing.T, name string) (path string, next func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return path, func() string {
		t.Helper()
		buf := make([]byte, 1<<16)
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
}

func TestSinkPrefersTheJournal(t *testing.T) {
	journal, next := listen(t, "journal")
	syslog, _ := listen(t, "syslog")
	var fallback bytes.Buffer
	log := (&Sink{Identifier: "id", Journal: journal, Syslog: syslog, Fallback: &fallback}).Logger()
	log.WithField("DOMAIN", "vm").Warn("hello")
	want := "MESSAGE=hello\nPRIORITY=4\nSYSLOG_IDENTIFIER=id\nDOMAIN=vm\n"
	if got := next(); got != want {
		t.Errorf("the journal got %q, want %q", got, want)
	}
	if fallback.Len() > 0 {
		t.Errorf("the fallback got %q", &fallback)
	}
}

func TestSinkWithoutJournal(t *testing.T) {
	syslog, next := listen(t, "syslog")
	var fallback bytes.Buffer
	log := (&Sink{Identifier: "id", Journal: "/nonexistent/journal", Syslog: syslog, Fallback: &fallback}).Logger()
	log.WithField("DOMAIN", "vm\n2").Warn("two\nlines")
	got := next()
	if want := fmt.Sprintf(`id[%d]: two lines DOMAIN="vm\n2"`, os.Getpid()); !strings.HasPrefix(got, "<28>") || !strings.HasSuffix(got, want) {
		t.Errorf("syslog got %q, want <28>… %s", got, want)
	}
	if fallback.Len() > 0 {
		t.Errorf("the fallback got %q", &fallback)
	}
}

func TestSinkWithNeither(t *testing.T) {
	var fallback bytes.Buffer
	log := (&Sink{Journal: "/nonexistent/journal", Syslog: "/nonexistent/log", Fallback: &fallback}).Logger()
	log.WithField("DOMAIN", "vm").Warn("hello")
	if got := fallback.String(); !strings.Contains(got, "hello") || !strings.Contains(got, "DOMAIN=vm") {
		t.Errorf("the fallback got %q", got)
	}
	(&Sink{Journal: "/nonexistent/journal", Syslog: "/nonexistent/log"}).Logger().Warn("dropped") // must not panic
}

func TestSinkOpensNothingUnasked(t *testing.T) {
	s := &Sink{}
	s.Logger().Debug("below the level")
	if s.journal.open || s.syslog.open {
		t.Error("opened a socket for an entry that is not logged")
	}
}

func TestSinkDoesNotWaitForABlockedJournal(t *testing.T) {
	journal, next := listen(t, "journal")
	s := &Sink{Identifier: "id", Journal: journal, Syslog: "/nonexistent/log"}
	log := s.Logger()
	start := time.Now()
	// Were each to wait, the last thousand would take more than three minutes.
	const entries = 500 // the kernel's queue holds net.unix.max_dgram_qlen, 10 or 512
	for i := range entries * 3 {
		log.Warn(i)
	}
	if took := time.Since(start); took < patience*time.Microsecond || took > time.Minute {
		t.Errorf("%d entries for a journal that does not read took %v, want about %v", 3*entries, took, patience*time.Microsecond)
	}
	if got := next(); !strings.HasPrefix(got, "MESSAGE=0\n") {
		t.Errorf("the first entry is %q", got)
	}
}

func TestSinkSurvivesTheJournalsRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	log := (&Sink{Journal: path, Syslog: "/nonexistent/log"}).Logger()
	for range 2 {
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		log.Warn("hello")
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 100)); err != nil {
			t.Error(err)
		}
		conn.Close()
		os.Remove(path)
	}
}
