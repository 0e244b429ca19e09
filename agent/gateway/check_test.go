package gateway

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestReady: when the service manager is told, those whom libvirt lets in are let in.
func TestReady(t *testing.T) {
	newLab(t, func(s *Server) {
		if err := os.Chmod(s.Upstream(), 0o666); err != nil {
			t.Fatal(err)
		}
		s.Ready = func() {
			if a, err := accessOf(s.Listeners[0].Addr().String()); err != nil || a.mode != 0o666 {
				t.Errorf("ready with mode %v, %v", a.mode, err)
			}
		}
	})
}

func check(t *testing.T, s *Server) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	return s.Check(ctx)
}

// TestCheck: a server that serves says so, and libvirt hears nothing of it: the first
// that it accepts is a client.
func TestCheck(t *testing.T) {
	l := newLab(t)
	for range 3 {
		if err := check(t, l.Server); err != nil {
			t.Error(err)
		}
	}
	client, libvirt := l.connect(t)
	wantPasses(t, client, libvirt)
}

// TestCheckOfATakenPath: where another daemon has taken the path of a socket from
// systemd, which no restart of the agent would bring back, that is logged once.
func TestCheckOfATakenPath(t *testing.T) {
	t.Parallel()
	second := filepath.Join(t.TempDir(), "second")
	l := newLab(t, func(s *Server) {
		s.Listeners[0].own = false
		more, err := Listen(second)
		if err != nil {
			t.Fatal(err)
		}
		s.Listeners = append(s.Listeners, more...)
	})
	if err := os.Remove(l.path); err != nil {
		t.Fatal(err)
	}
	virtproxyd, err := net.Listen("unix", l.path) // says nothing
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := check(t, l.Server); err != nil {
			t.Errorf("with another one at the path: %v", err)
		}
	}
	virtproxyd.Close() // and no process listens
	if err := check(t, l.Server); err != nil {
		t.Errorf("with nothing at the path: %v", err)
	}
	l.logged(t, "is not the gateway's any more")
	if got := len(l.log.AllEntries()); got != 1 {
		t.Errorf("logged %d times: %v", got, l.log.AllEntries())
	}
	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	if err := check(t, l.Server); err == nil {
		t.Error("no error, although a restart would make the gateway's own socket again")
	}
}

func TestCheckFindsThatNoClientIsAccepted(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{true, false} {
		s := quietServer(t)
		var err error
		if s.Listeners, err = Listen(filepath.Join(t.TempDir(), "sock")); err != nil {
			t.Fatal(err)
		}
		defer s.closeListeners()
		s.Listeners[0].own = own
		if err := check(t, s); err == nil {
			t.Error("no error, although no client is accepted")
		}
		for len(s.slots) < cap(s.slots) {
			s.slots <- struct{}{}
		}
		if err := check(t, s); err != nil {
			t.Errorf("without a slot for a further client: %v", err)
		}
	}
}

func TestCheckFindsThatIdleClientsAreNotWoken(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.idle.stop()
	if err := check(t, l.Server); err == nil {
		t.Error("no error, although nothing wakes idle connections")
	}
}

func TestStats(t *testing.T) {
	l := newLab(t)
	l.Metrics.calls.WithLabelValues("DOMAIN_DEFINE_XML", resultRewritten).Add(2)
	l.Metrics.calls.WithLabelValues("DOMAIN_CREATE_XML", resultRewritten).Inc()
	l.Metrics.calls.WithLabelValues("DOMAIN_CREATE_XML", resultRefused).Inc()
	l.Metrics.rejected.WithLabelValues(rejectProtocol).Inc()
	l.Metrics.rejected.WithLabelValues(rejectUpstream).Inc()
	l.connect(t)
	if diff := cmp.Diff(Stats{Clients: 1, Rewritten: 3, Refused: 1, Rejected: 2}, l.Metrics.Stats()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
