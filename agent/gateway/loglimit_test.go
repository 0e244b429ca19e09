package gateway

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
)

// TestLogLimit: one user's clients log without end. The log takes a burst, what the rate
// allows, and a line that says how many were left out. Another user's lines are all there.
func TestLogLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, entries := test.NewNullLogger()
		s := &Server{Log: log}
		flood := s.clientLog(peer{pid: 1})
		flood.limit = s.logLimits.of(1, log)
		const lines = 10 * logBurst / logLine
		for range lines {
			flood.Warnf("broken")
		}
		s.clientLog(peer{}).Warnf("another's")
		taken := logBurst / (logLine + len("broken"))
		if got := len(entries.AllEntries()); got != taken+1 {
			t.Errorf("%d lines at once, want %d and another user's", got, taken)
		}
		time.Sleep(leftOutWait + time.Second)
		synctest.Wait()
		if got, want := entries.LastEntry().Message, fmt.Sprintf("%d lines about clients of uid 1 were left out", lines-taken); !strings.HasPrefix(got, want) {
			t.Errorf("the last line is %q, want %q", got, want)
		}

		entries.Reset()
		for range lines {
			flood.Warnf("broken")
		}
		if got, want := len(entries.AllEntries()), int((leftOutWait+time.Second).Seconds())*logRate/(logLine+len("broken")); got < want-1 || got > want+1 {
			t.Errorf("%d lines after a minute, want %d", got, want)
		}
	})
}

// TestLogLimitCountsTexts: a few long lines are as much as many short ones.
func TestLogLimitCountsTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // time stands still
		log, entries := test.NewNullLogger()
		s := &Server{Log: log}
		long := strings.Repeat("ä", logText)
		for range 1000 {
			s.clientLog(peer{}).WithFields(logrus.Fields{"CHANGE": long}).WithField("DIFF", long).Infof("%s", long)
		}
		size := 0
		for _, e := range entries.AllEntries() {
			size += len(e.Message) + len(e.Data["CHANGE"].(string)) + len(e.Data["DIFF"].(string))
		}
		if size < logBurst/2 || size > logBurst {
			t.Errorf("%d bytes are logged, want at most %d", size, logBurst)
		}
	})
}

// TestLogLimitsAreForgotten: the limits of users whose clients log no more go.
func TestLogLimitsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, _ := test.NewNullLogger()
		s := &Server{Log: log}
		for uid := range uint32(10 * manyUsers) {
			s.logLimits.of(uid, log).take(logLine)
			time.Sleep(time.Second)
		}
		if got := len(s.logLimits.byUID); got > manyUsers {
			t.Errorf("%d users' limits are kept", got)
		}
	})
}

// TestBrokenFramesDoNotFillTheLog: a client that is turned away comes again at once.
func TestBrokenFramesDoNotFillTheLog(t *testing.T) {
	l := newLab(t)
	const connections = 4000
	for range connections {
		client, libvirt := l.connectUnopened(t)
		write(t, client, []byte("GET / HTTP/1.1\r\n\r\n"))
		wantEOF(t, client)
		client.Close()
		libvirt.Close()
	}
	if got := len(l.log.AllEntries()); got < 100 || got > connections/2 {
		t.Errorf("%d connections led to %d lines", connections, got)
	}
}
