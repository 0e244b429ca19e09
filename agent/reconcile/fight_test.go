package reconcile

import (
	"testing"
	"time"
)

// TestFight: the fights of one domain, each step at a time after the first.
func TestFight(t *testing.T) {
	type step struct {
		at  time.Duration
		may bool
	}
	for name, steps := range map[string][]step{
		"changed back three times within a minute": {
			{0, true}, {10 * time.Second, true}, {20 * time.Second, true}, {30 * time.Second, false},
			{30*time.Second + truce - 1, false}, {30*time.Second + truce, true},
		},
		"again after the truce": {
			{0, true}, {1, true}, {2, true}, {3, false},
			{3 + truce, true}, {4 + truce, true}, {5 + truce, true}, {6 + truce, false},
		},
		"three times in more than a minute": {
			{0, true}, {time.Second, true}, {30 * time.Second, true}, {62 * time.Second, true}, {93 * time.Second, true},
		},
		"once a day": {
			{0, true}, {24 * time.Hour, true}, {48 * time.Hour, true}, {72 * time.Hour, true}, {96 * time.Hour, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var f fight
			start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			for _, s := range steps {
				if got := f.may(start.Add(s.at)); got != s.may {
					t.Fatalf("after %v: may change it: %t, want %t", s.at, got, s.may)
				}
				f.changed = s.may
			}
		})
	}
}

// TestFightRefused: what libvirt refused was not changed, so nobody changed it
// back.
func TestFightRefused(t *testing.T) {
	var f fight
	for i := range 10 {
		if !f.may(time.Unix(int64(i), 0)) {
			t.Fatalf("left alone after %d refusals", i)
		}
	}
}
