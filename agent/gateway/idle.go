package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// idlePoller waits for connections on which nothing happens, and for those beyond
// maxBusy, with one thread for all of them.
//
// A busy connection waits in poll(2) on a thread of its own, which the kernel
// wakes directly; by way of Go's network poller each step of a call would take
// two wake-ups. But a thread for each of thousands of clients would be waste, and
// Go ends a program that has 10,000.
type idlePoller struct {
	epoll int
	wake  int // an eventfd that ends run

	mu      sync.Mutex
	waiting map[int32]chan<- struct{} // by descriptor
}

func newIdlePoller() (*idlePoller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making an epoll descriptor: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		unix.Close(epoll)
		return nil, fmt.Errorf("making an eventfd: %w", err)
	}
	p := &idlePoller{epoll: epoll, wake: wake, waiting: map[int32]chan<- struct{}{}}
	if err := p.add(int32(wake), unix.EPOLLIN); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// run wakes the connections on which something happens, until stop.
func (p *idlePoller) run() error {
	events := make([]unix.EpollEvent, 128)
	for {
		n, err := unix.EpollWait(p.epoll, events, -1)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("waiting for idle connections: %w", err)
		}
		for _, e := range events[:n] {
			if e.Fd == int32(p.wake) {
				return nil
			}
			p.notify(e.Fd)
		}
	}
}

func (p *idlePoller) notify(fd int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case p.waiting[fd] <- struct{}{}:
	default: // it is awake already, or no longer waits
	}
}

// stop ends run.
func (p *idlePoller) stop() {
	unix.Write(p.wake, []byte{0, 0, 0, 0, 0, 0, 0, 1})
}

func (p *idlePoller) close() {
	unix.Close(p.wake)
	unix.Close(p.epoll)
}

// wait returns when one of the descriptors may be ready (a negative one is left
// out, as in poll(2)), when the timeout has passed (0 means never), or when the
// context is done.
func (p *idlePoller) wait(ctx context.Context, fds []unix.PollFd, timeout time.Duration) error {
	ready := make(chan struct{}, 1)
	for _, fd := range fds {
		if fd.Fd < 0 {
			continue
		}
		p.mu.Lock()
		p.waiting[fd.Fd] = ready
		p.mu.Unlock()
		defer p.remove(fd.Fd)
		// poll's events have the numbers of epoll's.
		if err := p.add(fd.Fd, uint32(fd.Events)|unix.EPOLLONESHOT); err != nil {
			return err
		}
	}
	var expired <-chan time.Time
	if timeout > 0 {
		expired = time.After(timeout)
	}
	select {
	case <-ready:
	case <-expired:
	case <-ctx.Done():
	}
	return nil
}

func (p *idlePoller) add(fd int32, events uint32) error {
	err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: events, Fd: fd})
	if err != nil {
		return fmt.Errorf("waiting for an idle connection: %w", err)
	}
	return nil
}

func (p *idlePoller) remove(fd int32) {
	unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, int(fd), nil)
	p.mu.Lock()
	delete(p.waiting, fd)
	p.mu.Unlock()
}

// check waits for a descriptor that is ready, and returns an error when it is not
// woken before ctx ends.
func (p *idlePoller) check(ctx context.Context) error {
	fd, err := unix.Eventfd(1, unix.EFD_CLOEXEC)
	if err != nil {
		return nil // no descriptor is left for a test
	}
	defer unix.Close(fd)
	if err := p.wait(ctx, []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("idle connections are not woken: %w", ctx.Err())
	}
	return nil
}
