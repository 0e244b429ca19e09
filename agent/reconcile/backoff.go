package reconcile

import (
	"math/rand/v2"
	"time"
)

// How long to wait before connecting to libvirt again: a restart takes less than
// a second, and a daemon that is down should not be bothered more often than once
// a minute.
const (
	firstWait = 100 * time.Millisecond
	maxWait   = time.Minute
)

// backoff is the wait after so many failed attempts in a row, from 0: twice as
// long each time, and by chance up to half of it less, so that the agents of a
// rack do not come all at once.
func backoff(failed int, rng *rand.Rand) time.Duration {
	wait := maxWait
	if failed < 10 {
		wait = min(firstWait<<failed, maxWait)
	}
	return wait - time.Duration(rng.Int64N(int64(wait/2)))
}
