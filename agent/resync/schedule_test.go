package resync

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSchedule says at which times, in milliseconds from the start, a file is
// due after looks at it.
func TestSchedule(t *testing.T) {
	start := time.Date(2012, 4, 5, 0, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	tests := []struct {
		name string
		do   []func(*schedule)
		want int // -1 is never
	}{
		{"nothing", nil, -1},
		{"a look is the end of it", []func(*schedule){func(s *schedule) { s.failed(at(0)) }, (*schedule).begin}, -1},
		{"busy", []func(*schedule){func(s *schedule) { s.busy(at(0)) }}, 100},
		{"first failure", []func(*schedule){func(s *schedule) { s.failed(at(0)) }}, 500},
		{"third failure", []func(*schedule){fails(at(0), 3)}, 2000},
		{"hundredth failure", []func(*schedule){fails(at(0), 100)}, 60000},
		{"failure after a success", []func(*schedule){fails(at(0), 3), (*schedule).succeeded, fails(at(0), 1)}, 500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := schedule{}
			for _, do := range tt.do {
				do(&s)
			}
			want := at(tt.want)
			if tt.want < 0 {
				want = time.Time{}
			}
			if diff := cmp.Diff(want, s.due); diff != "" {
				t.Errorf("due (-want +got):\n%s", diff)
			}
		})
	}
}

func fails(now time.Time, times int) func(*schedule) {
	return func(s *schedule) {
		for range times {
			s.failed(now)
		}
	}
}
