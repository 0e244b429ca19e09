// Package httpserver answers HTTP requests beside a daemon's real work, which must
// not suffer from it: a client that holds connections open, by mistake or not, takes
// neither the daemon's descriptors nor its memory.
package httpserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

const (
	// MaxConnections is how many connections are served at once. Further ones wait in
	// the kernel, without a descriptor of this process.
	MaxConnections = 64

	readTimeout  = 2 * time.Second  // for the request to arrive, from the connection's start
	writeTimeout = 10 * time.Second // for the answer, from then on; as long as Prometheus waits
)

// Serve answers requests with h until the context ends, and then closes l. Each
// connection has one request.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadTimeout: readTimeout, WriteTimeout: writeTimeout}
	server.SetKeepAlivesEnabled(false)
	defer context.AfterFunc(ctx, func() { server.Close() })()
	err := server.Serve(netutil.LimitListener(l, MaxConnections))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving HTTP on %s: %w", l.Addr(), err)
}
