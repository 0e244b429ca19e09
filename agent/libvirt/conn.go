// Package libvirt is the part of libvirt's API that virt-netboot calls, over
// libvirt's own socket:
//
//	conn, err := libvirt.Dial(ctx, "/run/libvirt/libvirt-sock")
//	if err != nil {
//		return err
//	}
//	defer conn.Close()
//	domains, err := conn.Domains(ctx)
//
// It wraps github.com/digitalocean/go-libvirt, which waits for an answer as long
// as the connection lasts: here a call ends soon after its context, or after
// CallTimeout.
package libvirt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"
)

// CallTimeout is how long a call may take: twice as long as libvirt itself waits
// for another operation on the same domain (QEMU_JOB_WAIT_TIME in
// src/qemu/qemu_domainjob.c).
const CallTimeout = 60 * time.Second

// grace is how long a cancelled call may still take before the connection is closed.
// libvirtd 9.0 can crash when a connection with events ends in the middle of a call
// (e2e's TestLeave).
const grace = 2 * time.Second

// ErrClosed is wrapped in the error of a call that libvirt did not answer: the
// connection is closed, and the call may or may not have been carried out.
var ErrClosed = errors.New("the connection to libvirt is closed")

// ErrNoAnswer is wrapped, beside ErrClosed, in the error of a call that took longer
// than CallTimeout.
var ErrNoAnswer = fmt.Errorf("no answer within %v", CallTimeout)

// Conn is a connection to qemu:///system. It is safe for concurrent use.
type Conn struct {
	path    string
	socket  *watchedConn
	rpc     *golibvirt.Libvirt
	version string
	calls   sync.RWMutex // each call under way holds it for reading
}

// Dial connects to libvirtd or virtqemud at the path of its unix socket.
func Dial(ctx context.Context, path string) (*Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, CallTimeout, ErrNoAnswer)
	defer cancel()
	socket, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("connecting to libvirt at %s: %w", path, err)
	}
	c := &Conn{path: path, socket: &watchedConn{Conn: socket, closed: make(chan struct{})}}
	c.rpc = golibvirt.NewWithDialer(dialers.NewAlreadyConnected(c.socket))
	if err := c.open(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("connecting to libvirt at %s: %w", path, err)
	}
	return c, nil
}

func (c *Conn) open(ctx context.Context) error {
	err := c.call(ctx, "opening qemu:///system", func() error {
		return c.rpc.ConnectToURI(golibvirt.QEMUSystem)
	})
	if err != nil {
		return err
	}
	return c.call(ctx, "asking for its version", func() error {
		v, err := c.rpc.ConnectGetLibVersion() // major * 1,000,000 + minor * 1,000 + release
		c.version = fmt.Sprintf("%d.%d.%d", v/1_000_000, v/1_000%1_000, v%1_000)
		return err
	})
}

// Version is the version of libvirt's daemon, such as 9.0.0.
func (c *Conn) Version() string { return c.version }

// Closed returns a channel that is closed when the connection has ended.
func (c *Conn) Closed() <-chan struct{} { return c.socket.closed }

// Close ends the connection after the calls under way, which it waits for up to two
// seconds.
func (c *Conn) Close() {
	idle := make(chan struct{})
	go func() {
		c.calls.Lock()
		defer c.calls.Unlock()
		close(idle)
	}()
	select {
	case <-idle:
		c.sayGoodbye()
	case <-c.Closed():
	case <-time.After(grace):
	}
	c.socket.Close()
}

// sayGoodbye has libvirt close the connection, whose end would be an error in its log.
func (c *Conn) sayGoodbye() {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	_ = c.call(ctx, "closing the connection", c.rpc.ConnectClose) // it is closed anyway
}

// call runs one call of go-libvirt. Where it does not end in time, call closes the
// connection: the protocol cannot cancel a call.
func (c *Conn) call(ctx context.Context, what string, fn func() error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w: %w", what, ErrClosed, context.Cause(ctx))
	}
	c.calls.RLock()
	defer c.calls.RUnlock()
	ctx, cancel := context.WithTimeoutCause(ctx, CallTimeout, ErrNoAnswer)
	defer cancel()
	done := make(chan struct{})
	inTime := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			select {
			case <-done:
				return
			case <-time.After(grace):
			}
		}
		c.socket.Close()
	})
	err := fn()
	close(done)
	switch {
	case err == nil:
		inTime()
		return nil
	case answered(err):
		inTime()
		return fmt.Errorf("%s: %w", what, err)
	case !inTime():
		return fmt.Errorf("%s: %w: %w", what, ErrClosed, context.Cause(ctx))
	}
	c.socket.Close()
	return fmt.Errorf("%s: %w: %w", what, ErrClosed, err)
}

// answered reports whether an error is libvirt's answer.
func answered(err error) bool {
	var answer golibvirt.Error
	return errors.As(err, &answer) || errors.Is(err, golibvirt.ErrUnsupported)
}

// IsNotFound reports whether the error is libvirt's that there is no such domain.
func IsNotFound(err error) bool {
	var answer golibvirt.Error
	return errors.As(err, &answer) && answer.Code == uint32(golibvirt.ErrNoDomain)
}

// watchedConn closes a channel when it has ended.
type watchedConn struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func (w *watchedConn) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err != nil {
		w.Close()
	}
	return n, err
}

func (w *watchedConn) Close() error {
	err := w.Conn.Close()
	w.once.Do(func() { close(w.closed) })
	return err
}
