package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/credentials"
)

// Server passes the connections of its listeners on to libvirt and rewrites the
// domain XML in them. Its fields must not change once Serve runs.
type Server struct {
	// Listeners are where clients come in; Serve closes them.
	Listeners []*Listener
	// Upstream returns the path of libvirt's own socket. It is asked for each
	// client, so that it may change. nil means libvirt.DefaultUpstream.
	Upstream func() string
	// Rewriter returns the policy in force. It is asked for each call, so that a
	// reload takes effect on open connections.
	Rewriter func() domainxml.Rewriter
	// ReadDisk is as in the Rewriter, which it then replaces there. Its context is done
	// when the client has hung up. It may be nil.
	ReadDisk func(ctx context.Context, disk domainxml.DiskSource, n int) ([]byte, error)
	// RefusalIsFinal reports whether the client gets libvirt's refusal of a rewritten
	// call; otherwise it gets libvirt's answer to the call as it wrote it. It is asked
	// for each of them. nil means otherwise.
	RefusalIsFinal func() bool
	// Sync brings the domain with that UUID in sync with the policy, and returns when it
	// is or when the context ends. It is called before the client has the answer to a call
	// that has changed the devices of a definition. It may be nil.
	Sync func(ctx context.Context, uuid string)
	// Ready is called once by Serve, when those who may connect to libvirt's socket
	// may connect to the gateway's own. It may be nil.
	Ready func()
	Log   *logrus.Logger
	// Metrics may be nil: the counters are registered nowhere then.
	Metrics *Metrics
	// Store keeps the clients' connections while the service is restarted: where
	// Serve's context ends because of ErrRestart. nil means that they end.
	Store Store
	// PolkitPerCall reports whether polkit decides about each call. It asks about the
	// process that has connected to libvirt, the gateway's: the connections end with that.
	// It is asked once, at a restart. nil means that it does not.
	PolkitPerCall func() (bool, error)
	// MaxClients is how many clients are served at once; further ones wait in the
	// socket's backlog as they do with libvirtd. 0 means 5000, the default of
	// max_clients in libvirtd.conf.
	MaxClients int
	// DrainTimeout is how long Serve waits for calls and streams under way once
	// its context is cancelled. 0 means 10 seconds.
	DrainTimeout time.Duration

	own        credentials.Credentials // this process
	slots      chan struct{}           // one taken by each client
	connecting chan struct{}           // one taken by each client that libvirt has not accepted
	busy       atomic.Int32            // connections that wait on threads of their own
	idle       *idlePoller
	clients    sync.WaitGroup
	held       budget
	logLimits  logLimits
	originals  sync.Map // the domains of calls that were sent as written, each with a latest one
	checks     sync.Map // the addresses that Check connects from

	keeps    func() bool // the store is used
	parkedMu sync.Mutex
	parked   []*conn // for the next process
}

// Serve accepts clients until the context is cancelled, then lets calls and
// streams under way finish, or leaves the connections to the next process, closes
// everything and returns nil. It returns an
// error only where a listener fails for good. A Server serves once.
func (s *Server) Serve(ctx context.Context) error {
	defer s.closeListeners()
	if err := s.prepare(); err != nil {
		return err
	}
	defer s.idle.close()
	var polling errgroup.Group
	polling.Go(s.idle.run)

	adopted := s.adopt(access{})
	g, ctx := errgroup.WithContext(ctx)
	s.resume(ctx)
	if s.Ready != nil {
		s.Ready()
	}
	for _, l := range s.Listeners {
		g.Go(func() error { return s.accept(ctx, l) })
	}
	g.Go(func() error { s.follow(ctx, adopted); return nil })
	g.Go(func() error {
		<-ctx.Done()
		s.closeListeners() // ends accept
		return nil
	})
	err := g.Wait()
	s.clients.Wait()
	s.handOver()
	s.clients.Wait()
	s.idle.stop()
	return errors.Join(err, polling.Wait())
}

func (s *Server) prepare() (err error) {
	for _, l := range s.Listeners {
		if path := l.Addr().String(); path == s.upstream() {
			return fmt.Errorf("gateway.listen and gateway.upstream are both %s: the gateway would talk to itself", path)
		}
	}
	if s.own, err = credentials.Own(); err != nil {
		return err
	}
	if s.Metrics == nil {
		s.Metrics = NewMetrics(prometheus.NewRegistry())
	}
	s.MaxClients = cmp.Or(s.MaxClients, 5000)
	s.DrainTimeout = cmp.Or(s.DrainTimeout, 10*time.Second)
	s.keeps = sync.OnceValue(s.mayKeep)
	s.slots = make(chan struct{}, s.MaxClients)
	s.connecting = make(chan struct{}, maxConnecting)
	s.idle, err = newIdlePoller()
	return err
}

// accept serves each client of l in a goroutine of its own.
func (s *Server) accept(ctx context.Context, l *Listener) error {
	for {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		fd, from, err := l.acceptFD()
		if err != nil {
			<-s.slots
		}
		switch {
		case ctx.Err() != nil && !(err == nil && s.restarts(ctx)):
			if err == nil {
				unix.Close(fd)
			}
			return nil
		case err == nil:
			s.clients.Go(func() {
				if _, check := s.checks.Load(from); check {
					unix.Close(fd)
				} else {
					s.serve(ctx, fd)
				}
				<-s.slots
			})
		case errors.Is(err, unix.ECONNABORTED):
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.ENOBUFS):
			s.Log.Errorf("clients have to wait: accepting one on %s: %v; raise LimitNOFILE= of the service", l.Addr(), err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		default:
			return fmt.Errorf("accepting a client on %s: %w", l.Addr(), err)
		}
	}
}

// serve is the life of one client, whose socket is fd.
func (s *Server) serve(ctx context.Context, fd int) {
	s.Metrics.clients.Inc()
	defer s.Metrics.clients.Dec()
	p, err := peerOf(fd)
	if err != nil {
		unix.Close(fd)
		s.reject(s.unknownLog(), rejectIdentity, err)
		return
	}
	log := s.clientLog(p)
	client, err := newSocket(fd)
	if err != nil {
		unix.Close(fd)
		s.reject(log, rejectIdentity, err)
		return
	}
	libvirt, err := s.connect(ctx, p.Credentials, fd)
	if err != nil && s.restarts(ctx) {
		s.park(newConn(s, log, p.UID, client, nil))
		return
	}
	if err != nil {
		client.close()
		reason := rejectIdentity
		if errors.As(err, new(upstreamError)) {
			reason = rejectUpstream
		}
		s.reject(log, reason, err)
		return
	}
	s.run(ctx, newConn(s, log, p.UID, client, libvirt))
}

// run runs a connection to its end in this process.
func (s *Server) run(ctx context.Context, c *conn) {
	err := c.run(ctx)
	if errors.Is(err, errMoves) {
		if !c.open {
			c.libvirt.close()
			c.libvirt = nil
		}
		s.park(c)
		return
	}
	c.close()
	if err != nil {
		s.reject(c.log, rejectProtocol, err)
	}
}

func (s *Server) reject(log clientLog, reason string, err error) {
	s.Metrics.rejected.WithLabelValues(reason).Inc()
	log.WithField("REASON", reason).Errorf("closing a client's connection: %v", err)
}

func (s *Server) closeListeners() {
	for _, l := range s.Listeners {
		l.Close()
	}
}

// upstream is where libvirt listens. While its socket is restarted, the usual path
// is all that there is, and may be the gateway's own.
func (s *Server) upstream() string {
	path := libvirt.DefaultUpstream()
	if s.Upstream != nil {
		path = s.Upstream()
	}
	for _, l := range s.Listeners {
		if !l.own && l.Addr().String() == path {
			return libvirt.Direct(path)
		}
	}
	return path
}
