package gateway

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"
)

// How much the clients of one user may have the gateway log, in bytes: logBurst at
// once, about a thousand lines, and logRate a second from then on. A client that sends
// broken documents in a loop must not drive everything else out of the journal.
const (
	logBurst = 1 << 20
	logRate  = 4 << 10
	// logLine is what a line costs besides its texts.
	logLine = 512
	// logText is how long one text is at most: a document may have 32,000 filterrefs,
	// each a change.
	logText = 32 << 10
	// leftOutWait is how long lines that were left out are counted before that is said.
	leftOutWait = time.Minute
)

// clientLog is the log of what clients of one user have done. It leaves out what goes
// beyond the limit.
type clientLog struct {
	entry *logrus.Entry
	limit *logLimit
	size  int // of the fields
}

func (l clientLog) WithField(name, value string) clientLog {
	value = clipped(value)
	return clientLog{l.entry.WithField(name, value), l.limit, l.size + len(value)}
}

func (l clientLog) WithFields(f logrus.Fields) clientLog {
	for name, value := range f {
		if s, ok := value.(string); ok {
			l = l.WithField(name, s)
		} else {
			l.entry = l.entry.WithField(name, value)
		}
	}
	return l
}

func (l clientLog) Infof(format string, args ...any)  { l.logf(logrus.InfoLevel, format, args) }
func (l clientLog) Warnf(format string, args ...any)  { l.logf(logrus.WarnLevel, format, args) }
func (l clientLog) Errorf(format string, args ...any) { l.logf(logrus.ErrorLevel, format, args) }

func (l clientLog) logf(level logrus.Level, format string, args []any) {
	if !l.entry.Logger.IsLevelEnabled(level) {
		return
	}
	text := clipped(fmt.Sprintf(format, args...))
	if l.limit.take(logLine + l.size + len(text)) {
		l.entry.Log(level, text)
	}
}

// clipped is a text of at most about logText bytes.
func clipped(s string) string {
	if len(s) <= logText {
		return s
	}
	return fmt.Sprintf("%s… (%d bytes more)", strings.ToValidUTF8(s[:logText], ""), len(s)-logText)
}

// logLimit is what one user has left.
type logLimit struct {
	bytes *rate.Limiter
	tell  func(lines int)

	mu      sync.Mutex
	leftOut int // lines that tell does not know of yet
}

// take takes the bytes of a line off. Without enough of them it counts the line, and
// says so a while after the first.
func (l *logLimit) take(n int) bool {
	if l.bytes.AllowN(time.Now(), n) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leftOut++; l.leftOut == 1 {
		time.AfterFunc(leftOutWait, l.tellLeftOut)
	}
	return false
}

func (l *logLimit) tellLeftOut() {
	l.mu.Lock()
	lines := l.leftOut
	l.leftOut = 0
	l.mu.Unlock()
	l.tell(lines)
}

// unused reports whether a new limit would be the same.
func (l *logLimit) unused() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leftOut == 0 && l.bytes.Tokens() >= logBurst
}

// logLimits are the users' limits. Its zero value has none yet.
type logLimits struct {
	mu    sync.Mutex
	byUID map[uint32]*logLimit
}

// noUser is the uid of none (chown(2)): for a client of which the kernel did not say who
// it is.
const noUser = ^uint32(0)

// manyUsers is how many users' limits are kept before the unused ones go.
const manyUsers = 1000

func (l *logLimits) of(uid uint32, log *logrus.Logger) *logLimit {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.byUID[uid]; ok {
		return known
	}
	if l.byUID == nil {
		l.byUID = map[uint32]*logLimit{}
	}
	if len(l.byUID)%manyUsers == manyUsers-1 {
		for uid, limit := range l.byUID {
			if limit.unused() {
				delete(l.byUID, uid)
			}
		}
	}
	limit := &logLimit{bytes: rate.NewLimiter(logRate, logBurst), tell: func(lines int) {
		log.WithField("UID", uid).Warnf("%d lines about clients of uid %d were left out of the log; the metrics count what they were about", lines, uid)
	}}
	l.byUID[uid] = limit
	return limit
}

// clientLog is the log of a client.
func (s *Server) clientLog(p peer) clientLog {
	return clientLog{entry: s.Log.WithFields(clientFields(p)), limit: s.logLimits.of(p.UID, s.Log)}
}

// unknownLog is the log of a client of which the kernel did not say who it is.
func (s *Server) unknownLog() clientLog {
	return clientLog{entry: s.Log.WithFields(nil), limit: s.logLimits.of(noUser, s.Log)}
}
