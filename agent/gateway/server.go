package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// Server passes the connections of its listeners on to libvirt and rewrites the
// domain XML in them. Its fields must not change once Serve runs.
type Server struct {
	// Listeners are where clients come in; Serve closes them.
	Listeners []*Listener
	// Upstream returns the path of libvirt's own socket. It is asked for each
	// client, so that it may change. nil means DefaultUpstream.
	Upstream func() string
	// Rewriter returns the policy in force. It is asked for each call, so that a
	// reload takes effect on open connections.
	Rewriter func() domainxml.Rewriter
	// OnRefusal is what the client gets when libvirt refuses a rewritten call. ""
	// means RefusalOriginal.
	OnRefusal OnRefusal
	Log       *logrus.Logger
	// Metrics counts; nil counts nothing that anybody sees.
	Metrics *Metrics
	// MaxClients is how many clients are served at once; further ones wait in the
	// socket's backlog as they do with libvirtd. 0 means 5000, the default of
	// max_clients in libvirtd.conf.
	MaxClients int
	// DrainTimeout is how long Serve waits for calls and streams under way once
	// its context is cancelled. 0 means 10 seconds.
	DrainTimeout time.Duration
}

// OnRefusal is the value of the gateway's on_refusal key.
type OnRefusal string

// What the client gets when libvirt refuses a rewritten call.
const (
	RefusalOriginal OnRefusal = "original" // libvirt's answer to the call as it was
	RefusalError    OnRefusal = "error"    // the refusal
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *OnRefusal) UnmarshalText(text []byte) error {
	switch v := OnRefusal(text); v {
	case RefusalOriginal, RefusalError:
		*o = v
		return nil
	}
	return fmt.Errorf("%q is not one of %s, %s", text, RefusalOriginal, RefusalError)
}

// Serve accepts clients until the context is cancelled, then lets calls and
// streams under way finish, closes everything and returns nil. It returns an
// error only where a listener fails for good.
func (s *Server) Serve(ctx context.Context) error {
	return errors.New("not yet")
}

func (s *Server) upstream() string {
	if s.Upstream == nil {
		return DefaultUpstream()
	}
	return s.Upstream()
}
