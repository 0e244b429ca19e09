package gateway

import (
	"context"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// rewriter is the policy in force, for a call of this client's. Of what it does, only
// reading a disk waits for anything: that ends when the client hangs up.
func (c *conn) rewriter() domainxml.Rewriter {
	r := c.srv.Rewriter()
	if c.srv.ReadDisk != nil {
		r.ReadDisk = func(disk domainxml.DiskSource, n int) ([]byte, error) {
			ctx, stop := c.whileConnected()
			defer stop()
			return c.srv.ReadDisk(ctx, disk, n)
		}
	}
	return r
}

// whileConnected returns a context that is done when the client hangs up, or at stop.
func (c *conn) whileConnected() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var watch sync.WaitGroup
	watch.Go(func() {
		onlyHangUp := []unix.PollFd{{Fd: int32(c.client.fd)}}
		// Where it cannot wait, the work goes on without it.
		_ = c.srv.idle.wait(ctx, onlyHangUp, 0)
		if hungUp(c.client.fd) {
			cancel()
		}
	})
	return ctx, func() { cancel(); watch.Wait() }
}
