package resync

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRetry has a file be busy for some time.
func TestRetry(t *testing.T) {
	const waiting = "/etc/f: locking /etc: being written by another program; waiting for up to 10s"
	failed, interrupted := errors.New("disk full"), errors.New("interrupted")
	type outcome struct {
		After time.Duration
		Said  []string
		Err   string
	}
	for name, c := range map[string]struct {
		busy, stopped time.Duration // stopped: the context ends then
		then          error
		want          outcome
	}{
		"not at all":            {0, time.Hour, nil, outcome{}},
		"fails":                 {0, time.Hour, failed, outcome{Err: "disk full"}},
		"for a moment":          {850 * time.Millisecond, time.Hour, nil, outcome{After: 900 * time.Millisecond}},
		"for a while":           {5 * time.Second, time.Hour, nil, outcome{5 * time.Second, []string{waiting}, ""}},
		"for a while, fails":    {5 * time.Second, time.Hour, failed, outcome{5 * time.Second, []string{waiting}, "disk full"}},
		"until nearly too late": {10900 * time.Millisecond, time.Hour, nil, outcome{10900 * time.Millisecond, []string{waiting}, ""}},
		"without end": {time.Hour, time.Hour, nil, outcome{11 * time.Second, []string{waiting},
			"locking /etc: being written by another program, for 11s now: end that program, which `fuser -v /etc/f /etc` names, and try again"}},
		"until it is stopped": {time.Hour, 2 * time.Second, nil, outcome{2 * time.Second, []string{waiting},
			"interrupted: locking /etc: being written by another program"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithCancelCause(t.Context())
				stop := time.AfterFunc(c.stopped, func() { cancel(interrupted) })
				defer stop.Stop()
				var got outcome
				err := retry(ctx, "/etc/f", func(what string) { got.Said = append(got.Said, what) }, func() error {
					if time.Since(began) < c.busy {
						return fmt.Errorf("locking /etc: %w", errBusy)
					}
					return c.then
				})
				got.After = time.Since(began)
				if err != nil {
					got.Err = err.Error()
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		})
	}
}
