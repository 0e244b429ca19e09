package reconcile

import (
	"math/rand/v2"
	"time"
)

// How long to wait before connecting to libvirt again. A restart takes less than a
// second, on a busy node a few; an attempt at a socket that is not there costs
// next to nothing, and one at a daemon that hangs lasts CallTimeout by itself.
const (
	firstWait = 100 * time.Millisecond
	maxWait   = 5 * time.Second
)

// reconnectWait is the wait after so many failed attempts in a row, from 0: twice as
// long each time, and by chance up to half of it less, so that the agents of a
// rack do not come all at once.
func reconnectWait(failed int, rng *rand.Rand) time.Duration {
	wait := maxWait
	if failed < 6 {
		wait = min(firstWait<<failed, maxWait)
	}
	return wait - time.Duration(rng.Int64N(int64(wait/2)))
}
