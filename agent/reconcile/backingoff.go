package reconcile

import "time"

// A domain that another program changes back maxBacks times within backsWithin is
// left alone for backOffFor.
const (
	maxBacks    = 3
	backsWithin = time.Minute
	backOffFor  = time.Hour
)

// backingOff is how often a domain was changed back, and until when it is left alone
// for that.
type backingOff struct {
	changed bool        // by us: another program changed it back if it has to be changed again
	backs   []time.Time // when it was found changed back
	until   time.Time   // zero while it is not left alone
}

// may reports whether the domain, which has to be changed, may be.
func (b *backingOff) may(now time.Time) bool {
	if now.Before(b.until) {
		return false
	}
	if b.changed {
		b.changed, b.backs = false, append(b.backs, now)
	}
	for len(b.backs) > 0 && now.Sub(b.backs[0]) > backsWithin {
		b.backs = b.backs[1:]
	}
	if len(b.backs) < maxBacks {
		return true
	}
	*b = backingOff{until: now.Add(backOffFor)}
	return false
}
