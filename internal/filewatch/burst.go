package filewatch

import "time"

// Events come in bursts, and a file may be written in several steps. A burst is
// over when nothing has happened for settle. A file that changes all the time is
// told of at least every patience.
const (
	settle   = 100 * time.Millisecond
	patience = 500 * time.Millisecond
)

// burst is the events of a file that are not told yet. Its zero value is none.
type burst struct{ first, last time.Time }

func (b *burst) add(now time.Time) {
	if b.first.IsZero() {
		b.first = now
	}
	b.last = now
}

// over returns when the burst is over, the zero time where there is none.
func (b *burst) over() time.Time {
	if b.first.IsZero() {
		return time.Time{}
	}
	settled, latest := b.last.Add(settle), b.first.Add(patience)
	if latest.Before(settled) {
		return latest
	}
	return settled
}
