package reconcile

import (
	"testing"
	"time"
)

// TestBackingOff takes one domain through steps, each at a time after the first.
func TestBackingOff(t *testing.T) {
	type step struct {
		at  time.Duration
		may bool
	}
	for name, steps := range map[string][]step{
		"changed back three times within a minute": {
			{0, true}, {10 * time.Second, true}, {20 * time.Second, true}, {30 * time.Second, false},
			{30*time.Second + backOffFor - 1, false}, {30*time.Second + backOffFor, true},
		},
		"again once it has backed off": {
			{0, true}, {1, true}, {2, true}, {3, false},
			{3 + backOffFor, true}, {4 + backOffFor, true}, {5 + backOffFor, true}, {6 + backOffFor, false},
		},
		"three times in more than a minute": {
			{0, true}, {time.Second, true}, {30 * time.Second, true}, {62 * time.Second, true}, {93 * time.Second, true},
		},
		"once a day": {
			{0, true}, {24 * time.Hour, true}, {48 * time.Hour, true}, {72 * time.Hour, true}, {96 * time.Hour, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var b backingOff
			start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			for _, s := range steps {
				if got := b.may(start.Add(s.at)); got != s.may {
					t.Fatalf("after %v: may change it: %t, want %t", s.at, got, s.may)
				}
				b.changed = s.may
			}
		})
	}
}

// TestBackingOffRefused: what libvirt refused was not changed, and so not changed
// back either.
func TestBackingOffRefused(t *testing.T) {
	var b backingOff
	for i := range 10 {
		if !b.may(time.Unix(int64(i), 0)) {
			t.Fatalf("backs off after %d refusals", i)
		}
	}
}
