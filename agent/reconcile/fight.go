package reconcile

import "time"

// Whoever changes a domain back fightRounds times within fightWindow has it left
// alone for truce.
const (
	fightRounds = 3
	fightWindow = time.Minute
	truce       = time.Hour
)

// fight remembers how often one domain had to be changed again.
type fight struct {
	changed bool        // we changed it: when it has to be changed again, somebody changed it back
	backs   []time.Time // when it was found changed back
	until   time.Time   // left alone up to then
}

// may reports whether the domain, which has to be changed, may be.
func (f *fight) may(now time.Time) bool {
	if now.Before(f.until) {
		return false
	}
	if f.changed {
		f.changed, f.backs = false, append(f.backs, now)
	}
	for len(f.backs) > 0 && now.Sub(f.backs[0]) > fightWindow {
		f.backs = f.backs[1:]
	}
	if len(f.backs) < fightRounds {
		return true
	}
	*f = fight{until: now.Add(truce)}
	return false
}
