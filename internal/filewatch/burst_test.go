package filewatch

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestBurst says when a burst of events is over, in milliseconds from the start.
func TestBurst(t *testing.T) {
	start := time.Date(2012, 4, 5, 0, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	for _, test := range []struct {
		name   string
		events []int
		want   time.Time
	}{
		{"nothing", nil, time.Time{}},
		{"one event settles", []int{0}, at(100)},
		{"each further one starts that again", []int{0, 90, 180}, at(280)},
		{"but not for ever", []int{0, 90, 180, 270, 360, 450}, at(500)},
	} {
		var b burst
		for _, ms := range test.events {
			b.add(at(ms))
		}
		if diff := cmp.Diff(test.want, b.over()); diff != "" {
			t.Errorf("%s, -want +got:\n%s", test.name, diff)
		}
	}
}
