package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrRestart is the cause of the end of Serve's context where another process goes on
// with the connections.
var ErrRestart = errors.New("the service is restarted")

// Store keeps a descriptor from the end of one process to the start of the next.
type Store interface {
	// Put gives it to the store. When it returns nil, the store has it, or has closed
	// it.
	Put(*os.File) error
	// Take returns what the process before has put there, nil where there is nothing.
	// The store does not have it any more.
	Take() (*os.File, error)
}

// What is in the store is one end of a SOCK_SEQPACKET pair, whose other end is closed.
// In its queue are descriptors: a sealed memfd with the states of the connections, and
// then their sockets, the client's and libvirt's. So they are there all at once or not
// at all, however many they are, and end with the one descriptor.

// fdsAtOnce is how many go with one message: less than SCM_MAX_FD in the kernel's
// include/net/scm.h.
const fdsAtOnce = 250

// restarts reports whether the next process goes on with the connections.
func (s *Server) restarts(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), ErrRestart) && s.keeps()
}

// mayKeep reports whether connections may outlive this process.
func (s *Server) mayKeep() bool {
	if s.Store == nil || s.PolkitPerCall == nil {
		return s.Store != nil
	}
	perCall, err := s.PolkitPerCall()
	if err != nil {
		s.Log.Warnf("the connections of clients end with the restart: %v", err)
	} else if perCall {
		s.Log.Info("the connections of clients end with the restart, since polkit decides about each call (access_drivers in libvirtd.conf), and asks about this process")
	}
	return err == nil && !perCall
}

// park keeps a connection for the next process.
func (s *Server) park(c *conn) {
	s.parkedMu.Lock()
	defer s.parkedMu.Unlock()
	s.parked = append(s.parked, c)
}

// handOver gives the parked connections to the next process. Where that cannot be, they
// end as they do when the server stops.
func (s *Server) handOver() {
	if len(s.parked) == 0 {
		return
	}
	err := s.put(s.parked)
	if err == nil {
		s.Log.Infof("%d connections of clients go on after the restart", len(s.parked))
	} else {
		s.Log.Warnf("%d connections of clients end with the restart: %v", len(s.parked), err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range s.parked {
		if err == nil || c.libvirt == nil {
			c.closeSockets()
			continue
		}
		s.clients.Go(func() { s.run(ended, c) })
	}
}

func (s *Server) put(conns []*conn) error {
	var states []connState
	for _, c := range conns {
		states = append(states, c.state())
	}
	memfd, err := sealed(states)
	if err != nil {
		return err
	}
	defer memfd.Close()
	fds := []int{int(memfd.Fd())}
	for _, c := range conns {
		fds = append(fds, c.client.fd)
		if c.libvirt != nil {
			fds = append(fds, c.libvirt.fd)
		}
	}
	in, out, err := queueOf(fds)
	if err != nil {
		return err
	}
	defer unix.Close(in)
	err = s.Store.Put(out)
	out.Close()
	if err == nil && hungUp(in) {
		err = errors.New("the service manager keeps no descriptors (FileDescriptorStoreMax= of the service)")
	}
	return err
}

// sealed returns a memfd with the states.
func sealed(states []connState) (*os.File, error) {
	fd, err := unix.MemfdCreate("connections", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("making a memfd: %w", err)
	}
	f := os.NewFile(uintptr(fd), "connections")
	err = writeStates(f, states)
	if err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("writing the state of the connections: %w", err)
	}
	return f, nil
}

// queueOf returns a socket pair. The queue of out has the descriptors, until it is closed.
func queueOf(fds []int) (in int, out *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, nil, fmt.Errorf("making a socket pair: %w", err)
	}
	sender := &socket{fd: pair[0]}
	for len(fds) > 0 {
		n := min(len(fds), fdsAtOnce)
		if _, err := sender.send([]byte{0}, fds[:n]); err != nil {
			closeFDs(pair[:])
			return -1, nil, fmt.Errorf("putting descriptors into a queue: %w", err)
		}
		fds = fds[n:]
	}
	return pair[0], os.NewFile(uintptr(pair[1]), "connections"), nil
}

// resume goes on with the connections of the process before. Those that it cannot read
// end.
func (s *Server) resume(ctx context.Context) {
	if s.Store == nil {
		return
	}
	queue, err := s.Store.Take()
	if queue == nil && err == nil {
		return
	}
	var fds []int
	var states []connState
	if err == nil {
		fds, err = queued(queue)
		queue.Close()
	}
	if err == nil {
		states, err = unsealed(fds)
	}
	if err != nil {
		closeFDs(fds)
		s.Log.Errorf("the connections of clients from before the restart end: %v", err)
		return
	}
	unix.Close(fds[0])
	fds = fds[1:]
	for _, state := range states {
		n := state.sockets()
		s.goOn(ctx, fds[:n], state)
		fds = fds[n:]
	}
	s.Log.Infof("%d connections of clients go on from before the restart", len(states))
}

// queued returns the descriptors in a queue whose sender has closed it. With an error it
// returns those that were there before.
func queued(queue *os.File) (fds []int, err error) {
	receiver := &socket{fd: int(queue.Fd())}
	for {
		n, more, err := receiver.recv(make([]byte, 1))
		if err != nil {
			return fds, fmt.Errorf("taking descriptors out of the queue: %w", err)
		}
		if n == 0 {
			return fds, nil
		}
		fds = append(fds, more...)
	}
}

// unsealed returns the states in the memfd that is the first of the descriptors. Those
// after it are what the states need.
func unsealed(fds []int) ([]connState, error) {
	if len(fds) == 0 {
		return nil, errors.New("the queue is empty")
	}
	fd, err := unix.FcntlInt(uintptr(fds[0]), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "connections")
	defer f.Close()
	if _, err := f.Seek(0, 0); err != nil {
		return nil, err
	}
	states, err := readStates(f)
	if err != nil {
		return nil, fmt.Errorf("reading their state: %w", err)
	}
	want := 1
	for _, s := range states {
		want += s.sockets()
	}
	if want != len(fds) {
		return nil, fmt.Errorf("they have %d descriptors, want %d", len(fds), want)
	}
	return states, nil
}

// goOn goes on with a client from where another process has left it.
func (s *Server) goOn(ctx context.Context, sockets []int, state connState) {
	life := func() { s.serve(ctx, sockets[0]) }
	if !state.Waiting {
		c, err := s.restore(sockets[0], sockets[1], state)
		if err != nil {
			s.reject(s.unknownLog(), rejectIdentity, err)
			return
		}
		life = func() {
			s.Metrics.clients.Inc()
			defer s.Metrics.clients.Dec()
			s.run(ctx, c)
		}
	}
	s.slots <- struct{}{}
	s.clients.Go(func() {
		life()
		<-s.slots
	})
}

// restore returns a connection that goes on where another process has left it. With an
// error its sockets are closed.
func (s *Server) restore(client, libvirt int, state connState) (*conn, error) {
	p, err := peerOf(client)
	if err != nil {
		closeFDs([]int{client, libvirt})
		return nil, err
	}
	c := newConn(s, s.clientLog(p), p.UID, &socket{fd: client}, &socket{fd: libvirt})
	if err := c.restore(state); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}
