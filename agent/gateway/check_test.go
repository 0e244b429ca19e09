package gateway

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// newServer is a server in front of a socket that is libvirt's but for the
// protocol: whom it lets in comes on the channel.
func newServer(t *testing.T) (*Server, <-chan net.Conn) {
	t.Helper()
	dir := t.TempDir()
	upstream := filepath.Join(dir, "upstream")
	libvirt, err := net.Listen("unix", upstream)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { libvirt.Close() })
	if err := os.Chmod(upstream, 0o666); err != nil {
		t.Fatal(err)
	}
	clients := make(chan net.Conn, 10)
	go func() {
		for {
			c, err := libvirt.Accept()
			if err != nil {
				return
			}
			clients <- c
		}
	}()
	listeners, err := Listen(filepath.Join(dir, "listen"))
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	return &Server{
		Listeners: listeners,
		Upstream:  func() string { return upstream },
		Rewriter:  func() domainxml.Rewriter { return domainxml.Rewriter{} },
		Log:       log,
	}, clients
}

// serve runs a server until the test ends, and returns once it is ready.
func serve(t *testing.T, s *Server) {
	t.Helper()
	ready := make(chan struct{})
	s.Ready = func() { close(ready) }
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-ready
}

// TestReady: when the service manager is told, whoever libvirt lets in is let in.
func TestReady(t *testing.T) {
	s, _ := newServer(t)
	s.Ready = func() {
		info, err := os.Stat(s.Listeners[0].Addr().String())
		if err != nil || info.Mode().Perm() != 0o666 {
			t.Errorf("ready with mode %v, %v", info.Mode(), err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if err := s.Serve(ctx); err != nil {
		t.Error(err)
	}
}

// TestCheck: a server that serves says so, and libvirt hears nothing of it.
func TestCheck(t *testing.T) {
	s, clients := newServer(t)
	serve(t, s)
	for range 3 {
		if err := check(t, s); err != nil {
			t.Error(err)
		}
	}
	if len(clients) > 0 {
		t.Error("the check went through to libvirt")
	}
	c, err := net.Dial("unix", s.Listeners[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	defer (<-clients).Close() // any other client does go through
}

func check(t *testing.T, s *Server) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	return s.Check(ctx)
}

// TestCheckOfATakenPath: where another daemon has taken the path of a socket from
// systemd, which no restart of the agent would bring back, that is logged once.
func TestCheckOfATakenPath(t *testing.T) {
	s, _ := newServer(t)
	other, _ := newServer(t)
	s.Listeners[0].own = false
	s.Listeners = append(s.Listeners, other.Listeners...)
	logged := logrustest.NewLocal(s.Log)
	serve(t, s)
	path := s.Listeners[0].Addr().String()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	virtproxyd, err := net.Listen("unix", path) // says nothing
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := check(t, s); err != nil {
			t.Errorf("with another one at the path: %v", err)
		}
	}
	virtproxyd.Close() // and nobody is there
	if err := check(t, s); err != nil {
		t.Errorf("with nobody at the path: %v", err)
	}
	if got := len(logged.AllEntries()); got != 1 {
		t.Errorf("logged %d times: %v", got, logged.AllEntries())
	}
	if err := os.Remove(other.Listeners[0].Addr().String()); err != nil {
		t.Fatal(err)
	}
	if err := check(t, s); err == nil {
		t.Error("no error, although a restart would make the gateway's own socket anew")
	}
}

func TestCheckFindsThatNobodyAccepts(t *testing.T) {
	for _, own := range []bool{true, false} {
		s, _ := newServer(t)
		s.Listeners[0].own = own
		checkWithoutAccept(t, s)
	}
}

func checkWithoutAccept(t *testing.T, s *Server) {
	t.Helper()
	if err := s.prepare(); err != nil {
		t.Fatal(err)
	}
	defer s.parking.close()
	go s.parking.run()
	defer s.parking.stop()
	if err := check(t, s); err == nil {
		t.Error("no error, although nobody accepts")
	}
	for len(s.places) < cap(s.places) {
		s.places <- struct{}{}
	}
	if err := check(t, s); err != nil {
		t.Errorf("where all places are taken nobody has to accept: %v", err)
	}
}

func TestCheckFindsThatNobodyWakes(t *testing.T) {
	s, _ := newServer(t)
	serve(t, s)
	s.parking.stop()
	if err := check(t, s); err == nil {
		t.Error("no error, although nobody looks after idle connections")
	}
}

func TestStats(t *testing.T) {
	s, clients := newServer(t)
	serve(t, s)
	s.Metrics.calls.WithLabelValues("DOMAIN_DEFINE_XML", resultRewritten).Add(2)
	s.Metrics.calls.WithLabelValues("DOMAIN_CREATE_XML", resultRewritten).Inc()
	s.Metrics.calls.WithLabelValues("DOMAIN_CREATE_XML", resultRefused).Inc()
	s.Metrics.rejected.WithLabelValues(rejectProtocol).Inc()
	s.Metrics.rejected.WithLabelValues(rejectUpstream).Inc()
	c, err := net.Dial("unix", s.Listeners[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	defer (<-clients).Close()
	if diff := cmp.Diff(Stats{Clients: 1, Rewritten: 3, Refused: 1, Rejected: 2}, s.Metrics.Stats()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
