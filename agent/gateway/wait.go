package gateway

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// busyWait is how long a connection waits on a thread of its own before it waits
	// among the idle ones.
	busyWait = 100 * time.Millisecond
	// maxBusy is how many connections wait that way at once. Where more are busy
	// a thread for each makes them slower, not faster.
	maxBusy = 8

	// turn is the first of a wait, and each is twice the one before: calls that follow
	// each other find the thread awake, and a client that polls wakes it a few times only.
	//
	// turn and turns keep Go's monitor (sysmon in runtime/proc.go) calm. A
	// goroutine that makes nothing but system calls loses its P after 10 ms,
	// unless the scheduler has seen it in between. Once all Ps are lost the monitor
	// sleeps, and the next message makes it look after the program every 20 µs for
	// a while, which costs a call up to a fifth of its time.
	turn  = 5 * time.Millisecond
	turns = 64
)

// wait waits until one of the sockets is ready for what the flows want of it, or for
// busyWait at most once the context is done.
func (c *conn) wait(ctx context.Context) ([2]unix.PollFd, error) {
	fds := [2]unix.PollFd{
		interest(c.client, &c.calls, &c.replies),
		interest(c.libvirt, &c.replies, &c.calls),
	}
	n, err := c.waitBusy(ctx, fds[:])
	if n > 0 || err != nil || ctx.Err() != nil {
		return fds, err
	}
	c.calls.release()
	c.replies.release()
	_, err = c.waitIdle(ctx, fds[:], c.patience())
	return fds, err
}

// waitBusy waits as long as something is likely to happen soon.
func (c *conn) waitBusy(ctx context.Context, fds []unix.PollFd) (int, error) {
	timeout := busyWait
	if d := c.patience(); d > 0 {
		timeout = min(timeout, d)
	}
	defer c.srv.busy.Add(-1)
	if c.srv.busy.Add(1) > maxBusy {
		return c.waitIdle(context.Background(), fds, timeout)
	}
	if c.waits++; c.waits%turns == 0 {
		runtime.Gosched()
	}
	end := time.Now().Add(timeout)
	for d := turn; ; d *= 2 {
		n, err := poll(fds, min(d, time.Until(end)+time.Millisecond)) // in whole milliseconds
		if n > 0 || err != nil || ctx.Err() != nil || time.Now().After(end) {
			return n, err
		}
		runtime.Gosched()
	}
}

// waitIdle waits among the idle ones.
func (c *conn) waitIdle(ctx context.Context, fds []unix.PollFd, timeout time.Duration) (int, error) {
	if err := c.srv.idle.wait(ctx, fds, timeout); err != nil {
		return 0, err
	}
	return poll(fds, 0)
}

func poll(fds []unix.PollFd, timeout time.Duration) (int, error) {
	for {
		n, err := unix.Poll(fds, int(timeout.Milliseconds()))
		if err != unix.EINTR {
			return n, err
		}
	}
}

// interest is what the flow from a socket and the flow to it want to know of it.
// A socket of which neither wants anything is left out only where its hang-up,
// which poll(2) always reports, would mean nothing yet.
func interest(s *socket, from, to *flow) unix.PollFd {
	p := unix.PollFd{Fd: int32(s.fd)}
	if from.wantsMore() {
		p.Events |= unix.POLLIN
	}
	if to.blocked() {
		p.Events |= unix.POLLOUT
	}
	if p.Events == 0 && !from.done() {
		p.Fd = -1
	}
	return p
}
