package gateway

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
)

// flow is one direction of a connection. It moves bytes from one socket to the
// other, as many at a time as the other takes, and shows the start of each frame
// to its observer, which may take the frame out of the stream.
type flow struct {
	from, to *socket
	observer observer
	framer   rpc.Framer

	buf  []byte // received bytes; those from r to w were not looked at yet
	r, w int
	fds  []int // received with the last of these bytes

	out     []rpc.Segment // to be sent, in this order
	later   []rpc.Segment // to be sent once the frame under way is through
	verdict verdict       // on the frame under way
	held    rpc.Message   // the frame under way, when it was taken out

	// paused: nothing is received or looked at for now.
	paused bool
	// open: the receiver is not told that the sender has left, as the gateway itself
	// has something to send still.
	open bool
	// ended: the sender sends no more. shut: the receiver knows, or has left.
	ended, shut bool
}

// observer decides on the frames of a flow. A frame that it takes out and that
// never becomes whole is gone, as it is where libvirt receives it.
type observer interface {
	// begin is called with each frame's header before any of it is sent.
	begin(rpc.Header) verdict
	// taken is called with each frame for which begin said take, once it and its
	// descriptors are complete. Both are the observer's then.
	taken(rpc.Message)
	// lost is called once when a SASL layer ends the frames. All bytes pass then.
	lost()
}

// verdict is what becomes of a frame.
type verdict int

const (
	pass verdict = iota // it goes on as it comes
	take                // it is kept whole and given to the observer
	drop                // it goes nowhere
)

const (
	minBuffer = 16 << 10
	maxBuffer = 256 << 10
)

// advance receives if the sender is ready, and moves on what can be moved.
func (f *flow) advance(ready bool) error {
	if err := f.move(); err != nil {
		return err
	}
	if !ready || !f.wantsMore() {
		return nil
	}
	if err := f.receive(); err != nil {
		return err
	}
	return f.move()
}

// wantsMore reports whether the flow has use for bytes of its sender.
func (f *flow) wantsMore() bool {
	return !f.paused && !f.ended && len(f.out) == 0
}

// blocked reports whether the receiver has to make room first.
func (f *flow) blocked() bool { return len(f.out) > 0 }

// done reports whether all that the sender sent has reached the receiver and
// nothing more will.
func (f *flow) done() bool { return f.shut }

func (f *flow) receive() error {
	f.makeRoom()
	n, fds, err := f.from.recv(f.buf[f.w:])
	switch {
	case errors.Is(err, unix.EAGAIN):
		return nil
	case errors.Is(err, unix.ECONNRESET): // it left without reading all
		f.ended = true
		return nil
	case err != nil:
		return fmt.Errorf("receiving: %w", err)
	case n == 0:
		f.ended = true
		return nil
	}
	closeFDs(f.fds)
	f.fds = fds
	f.w += n
	return nil
}

// makeRoom makes room behind the bytes that were not looked at, which are less
// than a header then.
func (f *flow) makeRoom() {
	full := f.w == len(f.buf)
	buf := f.buf
	switch {
	case len(buf) == 0:
		buf = make([]byte, minBuffer)
	case full && len(buf) < maxBuffer:
		buf = make([]byte, maxBuffer)
	}
	f.w = copy(buf, f.buf[f.r:f.w])
	f.r, f.buf = 0, buf
}

// release gives the buffer back while nothing happens.
func (f *flow) release() {
	if f.r == f.w && !f.blocked() {
		f.buf, f.out, f.r, f.w = nil, nil, 0, 0
		f.from.forget()
		f.to.forget()
	}
}

// move looks at what was received and sends what can be sent.
func (f *flow) move() error {
	for {
		if err := f.flush(); err != nil || f.blocked() {
			return err
		}
		if f.paused || f.r == f.w {
			break
		}
		before := f.r
		if err := f.scan(); err != nil {
			return errors.Join(err, f.flush())
		}
		if f.r == before && !f.blocked() {
			break
		}
	}
	if !f.ended || f.paused || f.open || f.shut {
		return nil
	}
	if f.r < f.w { // the start of a frame that will never be whole
		f.emit(f.buf[f.r:f.w], nil)
		f.r = f.w
		if err := f.flush(); err != nil || f.blocked() {
			return err
		}
	}
	f.shut = true
	if err := f.to.endWriting(); err != nil {
		return fmt.Errorf("passing on the end of the stream: %w", err)
	}
	return nil
}

// scan looks at the received bytes up to the first frame that pauses the flow.
func (f *flow) scan() error {
	passed := f.r // what passes from here on is not in out yet
	defer func() { f.emit(f.buf[passed:f.r], nil) }()
	for f.r < f.w && !f.paused {
		p, err := f.framer.Next(f.buf[f.r:f.w])
		if err != nil {
			return err
		}
		if p.Kind == rpc.PieceShort {
			return nil
		}
		switch {
		case p.First && p.Kind == rpc.PieceOpaque:
			f.observer.lost()
			f.verdict = pass
		case p.First:
			f.verdict = f.observer.begin(f.framer.Head)
			f.held.Header = f.framer.Head
		}
		start := f.r
		f.r += p.N
		fds := f.fdsOf(p)
		switch {
		case f.verdict != pass:
			f.emit(f.buf[passed:start], nil)
			f.hold(f.buf[start:f.r], p, fds)
		case len(fds) > 0:
			f.emit(f.buf[passed:f.r-1], nil)
			f.emit(f.buf[f.r-1:f.r], fds)
		case p.Last && len(f.later) > 0:
			f.emit(f.buf[passed:f.r], nil)
		default:
			continue
		}
		passed = f.r
		if p.Last {
			f.out, f.later = append(f.out, f.later...), nil
		}
	}
	return nil
}

// fdsOf returns the descriptors that belong to the piece that ends at r.
// Descriptors that come where libvirt's protocol has none are closed, as they
// are where libvirt reads those bytes itself.
func (f *flow) fdsOf(p rpc.Piece) []int {
	if f.r < f.w || len(f.fds) == 0 {
		return nil
	}
	fds := f.fds
	f.fds = nil
	if p.Kind == rpc.PieceFrame {
		closeFDs(fds)
		return nil
	}
	return fds
}

// hold keeps a piece of a frame that was taken out of the stream.
func (f *flow) hold(b []byte, p rpc.Piece, fds []int) {
	if f.verdict == drop {
		closeFDs(fds)
		return
	}
	if p.Kind == rpc.PieceFrame {
		f.held.Bytes = append(f.held.Bytes, b...)
	}
	f.held.FDs = append(f.held.FDs, fds...)
	if !p.Last {
		return
	}
	m := f.held
	f.held = rpc.Message{}
	f.observer.taken(m)
}

// emit appends to what is to be sent. fds are closed once they are sent.
func (f *flow) emit(b []byte, fds []int) {
	if len(b) > 0 {
		f.out = append(f.out, rpc.Segment{Bytes: b, FDs: fds})
	}
}

// insert sends a message between two frames.
func (f *flow) insert(m rpc.Message) {
	segments := m.Segments()
	if f.verdict == pass && !f.framer.Between() {
		f.later = append(f.later, segments...)
		return
	}
	f.out = append(f.out, segments...)
}

// flush sends until the receiver takes no more.
func (f *flow) flush() error {
	for i := range f.out {
		s := &f.out[i]
		for len(s.Bytes) > 0 {
			n, err := f.to.send(s.Bytes, s.FDs)
			if errors.Is(err, unix.EAGAIN) {
				f.out = append(f.out[:0], f.out[i:]...)
				return nil
			}
			if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
				f.hangUp()
				return nil
			}
			if err != nil {
				return fmt.Errorf("sending: %w", err)
			}
			closeFDs(s.FDs)
			s.Bytes, s.FDs = s.Bytes[n:], nil
		}
	}
	f.out = f.out[:0]
	return nil
}

// hangUp drops everything: the receiver has left.
func (f *flow) hangUp() {
	f.closeFDs()
	f.out, f.later = nil, nil
	f.r, f.w = 0, 0
	f.ended, f.shut = true, true
}

// closeFDs closes the descriptors that were not sent.
func (f *flow) closeFDs() {
	for _, s := range append(f.out, f.later...) {
		closeFDs(s.FDs)
	}
	closeFDs(f.fds)
	closeFDs(f.held.FDs)
	f.fds, f.held.FDs = nil, nil
}
