package gateway

import (
	"encoding/gob"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// stateVersion is what the state of connections means. It changes with any of the
// types here, and with what the gateway makes of them: another version's connections end.
const stateVersion = 1

// connState is all that a connection is besides its sockets. Its client is who the
// kernel says is at the other end of the client's.
type connState struct {
	// Waiting: the client has said nothing yet. It has its socket, and nothing more.
	Waiting bool

	Calls, Replies flowState
	Pending        []pendingState
	Overdue        []callKey // own calls that the gateway has gone on without
	Serial         uint32
	Unanswered     int
	Streams        []uint32
	Encrypted      bool
}

// sockets is how many the connection has: the client's, and libvirt's.
func (s connState) sockets() int {
	if s.Waiting {
		return 1
	}
	return 2
}

// flowState is a flow between two system calls, which may be in the middle of a frame.
type flowState struct {
	Framer      rpc.Framer
	Received    []byte // and not looked at
	Out, Later  []byte
	Verdict     verdict
	Held        rpc.Message
	Ended, Shut bool
}

// pendingState is a call that libvirt has.
type pendingState struct {
	State  callState
	Key    callKey
	Call   rpc.Message
	Domain string

	Unreadable, Remedy string

	// Of the result, what is logged with libvirt's answer and decides on the undo records.
	Name, UUID, Rule string
	Changes          []domainxml.Change
	Output           []byte

	Final   bool
	Refusal *rpc.Refusal
}

// movable reports whether another process can go on: no descriptor of the client's or
// libvirt's is on its way, and the gateway has asked libvirt nothing. Until libvirt has
// let the client in it asks the kernel again and again for the process at the other end,
// which is the gateway's and has to live on: such a connection can move only before its
// first byte, and is made again.
func (c *conn) movable() bool {
	if !c.open {
		return c.calls.framer == rpc.Framer{} && c.calls.w == 0 && !c.calls.ended
	}
	for _, p := range c.ownCalls {
		if p != nil {
			return false
		}
	}
	for _, p := range c.pending {
		if len(p.call.FDs) > 0 {
			return false
		}
	}
	return len(c.saving) == 0 && !c.calls.hasFDs() && !c.replies.hasFDs()
}

func (f *flow) hasFDs() bool {
	has := func(s rpc.Segment) bool { return len(s.FDs) > 0 }
	return len(f.fds)+len(f.held.FDs) > 0 || slices.ContainsFunc(f.out, has) || slices.ContainsFunc(f.later, has)
}

// state is that of a connection which is movable.
func (c *conn) state() connState {
	s := connState{
		Waiting:    c.libvirt == nil,
		Calls:      c.calls.state(),
		Replies:    c.replies.state(),
		Serial:     c.serial,
		Unanswered: c.unanswered,
		Streams:    slices.Sorted(maps.Keys(c.streams)),
		Encrypted:  c.encrypted,
	}
	for _, p := range c.pending {
		s.Pending = append(s.Pending, p.saved())
	}
	for key := range c.ownCalls {
		s.Overdue = append(s.Overdue, key)
	}
	return s
}

// restore makes a new connection what another was.
func (c *conn) restore(s connState) error {
	c.calls.restore(s.Calls)
	c.replies.restore(s.Replies)
	c.open, c.serial, c.unanswered, c.encrypted = true, s.Serial, s.Unanswered, s.Encrypted
	for _, serial := range s.Streams {
		c.streams[serial] = true
	}
	for _, saved := range s.Pending {
		p, err := restored(saved)
		if err != nil {
			return err
		}
		c.await(p)
		if p.state == originalSent {
			c.srv.noteOriginal(p.domain)
		}
	}
	for _, key := range s.Overdue {
		c.ownCalls[key] = nil
	}
	if n := c.holds(); c.srv.held.take(c.uid, n) {
		c.held = n
	}
	return nil
}

func (f *flow) state() flowState {
	join := func(segments []rpc.Segment) (b []byte) {
		for _, s := range segments {
			b = append(b, s.Bytes...)
		}
		return b
	}
	return flowState{
		Framer: f.framer, Received: f.buf[f.r:f.w], Out: join(f.out), Later: join(f.later),
		Verdict: f.verdict, Held: f.held, Ended: f.ended, Shut: f.shut,
	}
}

func (f *flow) restore(s flowState) {
	split := func(b []byte) (segments []rpc.Segment) {
		if len(b) > 0 {
			segments = []rpc.Segment{{Bytes: b}}
		}
		return segments
	}
	f.framer, f.buf, f.w = s.Framer, s.Received, len(s.Received)
	f.out, f.later = split(s.Out), split(s.Later)
	f.verdict, f.held, f.ended, f.shut = s.Verdict, s.Held, s.Ended, s.Shut
}

func (p *pendingCall) saved() pendingState {
	s := pendingState{
		State: p.state, Key: p.key, Call: p.call.Message, Domain: p.domain,
		Name: p.result.Domain.Name, UUID: p.result.Domain.UUID, Changes: p.result.Changes, Output: p.result.Output,
		Unreadable: p.unreadable, Remedy: p.remedy, Final: p.final, Refusal: p.refusal,
	}
	if p.result.Rule != nil {
		s.Rule = p.result.Rule.Name
	}
	return s
}

func restored(s pendingState) (*pendingCall, error) {
	p := &pendingCall{
		state: s.State, key: s.Key, domain: s.Domain, unreadable: s.Unreadable, remedy: s.Remedy, final: s.Final, refusal: s.Refusal,
	}
	if p.state == unreadable {
		return p, nil
	}
	p.result = domainxml.Result{Changes: s.Changes, Output: s.Output}
	p.result.Domain.Name, p.result.Domain.UUID = s.Name, s.UUID
	if s.Rule != "" {
		p.result.Rule = &domainxml.Rule{Name: s.Rule}
	}
	var err error
	if p.call, err = rpc.ParseCall(s.Call); err != nil {
		return nil, fmt.Errorf("reading a call that waits for libvirt's answer: %w", err)
	}
	if p.state == rewritten {
		p.undo = undoDocuments(p.call, p.result)
	}
	return p, nil
}

// maxState is how many bytes the states may have: twice what the gateway holds at most,
// and as much for what is on its way.
const maxState = 4 * maxHeld

var errStateSize = fmt.Errorf("the connections hold more than %d MiB", maxState>>20)

// writeStates writes the states of connections for readStates.
func writeStates(w io.Writer, states []connState) error {
	e := gob.NewEncoder(&limitedWriter{w, maxState})
	if err := e.Encode(stateVersion); err != nil {
		return err
	}
	for _, s := range states {
		if err := e.Encode(s); err != nil {
			return err
		}
	}
	return nil
}

// readStates reads what writeStates has written. The error may be that it was another
// version's.
func readStates(r io.Reader) (states []connState, err error) {
	d := gob.NewDecoder(io.LimitReader(r, maxState))
	var version int
	if err := d.Decode(&version); err != nil {
		return nil, fmt.Errorf("reading the version: %w", err)
	}
	if version != stateVersion {
		return nil, fmt.Errorf("they are of version %d, and this program reads version %d", version, stateVersion)
	}
	for {
		var s connState
		err := d.Decode(&s)
		if err == io.EOF {
			return states, nil
		}
		if err != nil {
			return nil, err
		}
		states = append(states, s)
	}
}

type limitedWriter struct {
	io.Writer
	left int
}

func (w *limitedWriter) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, errStateSize
	}
	return w.Writer.Write(b)
}
