package resync

import "time"

// Timing says when the watcher looks at a file. A zero value means its default.
type Timing struct {
	Settle   time.Duration // after the last event; 100 ms
	Patience time.Duration // after the first, while events go on; 500 ms
	Busy     time.Duration // until a file is tried again that is being written; 100 ms
	Retry    time.Duration // after a failure, doubled by each further one; 500 ms
	MaxRetry time.Duration // at most that; one minute
	Rescan   time.Duration // between looks without any event; one minute
	Poll     time.Duration // the same where inotify cannot be had; 250 ms
}

func (t Timing) withDefaults() Timing {
	for _, d := range []struct {
		value *time.Duration
		or    time.Duration
	}{
		{&t.Settle, 100 * time.Millisecond},
		{&t.Patience, 500 * time.Millisecond},
		{&t.Busy, 100 * time.Millisecond},
		{&t.Retry, 500 * time.Millisecond},
		{&t.MaxRetry, time.Minute},
		{&t.Rescan, time.Minute},
		{&t.Poll, 250 * time.Millisecond},
	} {
		if *d.value == 0 {
			*d.value = d.or
		}
	}
	return t
}

// schedule says when a file is due. Its zero value is never.
type schedule struct {
	timing      Timing
	first, last time.Time // the first and the last event that are not dealt with
	retry       time.Time
	failures    int
}

// touch is for an event of the file.
func (s *schedule) touch(now time.Time) {
	if s.first.IsZero() {
		s.first = now
	}
	s.last = now
}

// due returns when to look at the file, the zero time for never.
func (s *schedule) due() time.Time {
	due := s.retry
	if !s.first.IsZero() {
		settled, latest := s.last.Add(s.timing.Settle), s.first.Add(s.timing.Patience)
		if latest.Before(settled) {
			settled = latest
		}
		if due.IsZero() || settled.Before(due) {
			due = settled
		}
	}
	return due
}

// begin is for the look at the file: events from now on are new.
func (s *schedule) begin() { s.first, s.last, s.retry = time.Time{}, time.Time{}, time.Time{} }

func (s *schedule) succeeded() { s.failures = 0 }

func (s *schedule) busy(now time.Time) { s.retry = now.Add(s.timing.Busy) }

func (s *schedule) failed(now time.Time) {
	wait := min(s.timing.Retry<<min(s.failures, 20), s.timing.MaxRetry)
	s.failures++
	s.retry = now.Add(wait)
}
