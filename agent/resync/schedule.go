package resync

import "time"

const (
	retryBusy     = 100 * time.Millisecond // until a file is tried again that is being written
	retryFailed   = 500 * time.Millisecond // after a failure, doubled by each further one
	maxRetry      = time.Minute            // at most that
	defaultRescan = time.Minute            // between looks without any event
)

// schedule says when to look at a file again without any event. Its zero value is
// never.
type schedule struct {
	due      time.Time
	failures int // in a row
}

// begin is for a look at the file.
func (s *schedule) begin() { s.due = time.Time{} }

func (s *schedule) succeeded() { s.failures = 0 }

func (s *schedule) busy(now time.Time) { s.due = now.Add(retryBusy) }

func (s *schedule) failed(now time.Time) {
	s.due = now.Add(min(retryFailed<<min(s.failures, 20), maxRetry))
	s.failures++
}
