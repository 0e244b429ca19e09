package reconcile

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

func TestReconnectWait(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for failed, most := range map[int]time.Duration{
		0: 100 * time.Millisecond, 1: 200 * time.Millisecond, 5: 3200 * time.Millisecond,
		6: 5 * time.Second, 1000: 5 * time.Second,
	} {
		low, high := most, time.Duration(0)
		for range 1000 {
			wait := reconnectWait(failed, rng)
			low, high = min(low, wait), max(high, wait)
		}
		if high > most || low < most/2 || high-low < most/3 {
			t.Errorf("after %d failures: %v to %v, want half of %v to all of it", failed, low, high, most)
		}
	}
}

// TestLibvirtDown: while libvirt is down, attempts are rare, the log has it once, the
// status shows it, and the gateway does not wait for a domain.
func TestLibvirtDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := logrus.New()
		log.SetOutput(io.Discard)
		entries := logtest.NewLocal(log)
		attempts := 0
		r := New(Options{
			Connect: func(context.Context) (Connection, error) {
				attempts++
				return nil, errors.New("connecting to libvirt at /run/libvirt/libvirt-sock: no such file")
			},
			Rewriter: func() domainxml.Rewriter { return domainxml.Rewriter{} },
			Log:      log,
		})
		began := time.Now()
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		r.Run(ctx)
		r.Sync(t.Context(), "a")
		if attempts < 720 || attempts > 1500 {
			t.Errorf("%d attempts in an hour", attempts)
		}
		if n := len(entries.AllEntries()); n != 1 {
			t.Errorf("%d log entries, want 1", n)
		}
		s := r.Status()
		if s.Libvirt.Connected || s.Libvirt.Error == "" || !s.Libvirt.Since.Equal(began) {
			t.Errorf("status %+v, want it down since %v", s.Libvirt, began)
		}
	})
}
