package gateway

import (
	"encoding/binary"
	"fmt"
)

// framer knows where the frames are in a stream of bytes. It is told the bytes
// in any portions and keeps none of them.
type framer struct {
	head header // of the frame under way
	left int    // its bytes that are still to come
	fds  int    // the one-byte messages after it that are still to come

	// sasl: a SASL layer may start at the end of any frame.
	sasl bool
	// opaque: it has started, there are no more frames to be seen.
	opaque bool
}

// piece is what the first n bytes of a portion are.
type piece struct {
	kind pieceKind
	n    int
	// first and last: the piece begins a frame, ends it with all that belongs to it.
	first, last bool
}

type pieceKind int

const (
	pieceShort  pieceKind = iota // too few bytes to say: try again with more behind them
	pieceFrame                   // bytes of a frame
	pieceFD                      // the byte that carries a descriptor
	pieceOpaque                  // bytes of a SASL layer
)

// next says what the first bytes of b are; b begins where the last piece ended.
// The error is for bytes that libvirt would end the connection for.
func (f *framer) next(b []byte) (piece, error) {
	if f.opaque {
		return piece{kind: pieceOpaque, n: len(b)}, nil
	}
	if f.left > 0 {
		n := min(f.left, len(b))
		f.left -= n
		return piece{kind: pieceFrame, n: n, last: f.between()}, nil
	}
	if f.fds > 0 && len(b) > 0 {
		f.fds--
		return piece{kind: pieceFD, n: 1, last: f.between()}, nil
	}
	if f.sasl && len(b) < 2*lengthSize {
		return piece{}, nil
	}
	if f.sasl && saslLayer(b) {
		f.opaque = true
		return piece{kind: pieceOpaque, n: len(b), first: true}, nil
	}
	return f.begin(b)
}

// between reports whether the last piece ended a frame.
func (f *framer) between() bool { return f.left == 0 && f.fds == 0 }

func (f *framer) begin(b []byte) (piece, error) {
	if len(b) < lengthSize {
		return piece{}, nil
	}
	length := binary.BigEndian.Uint32(b)
	if length > maxLength {
		return piece{}, fmt.Errorf("a message of %d bytes, where libvirt's limit is %d", length, maxLength)
	}
	if length < headerSize {
		return piece{}, fmt.Errorf("a message of %d bytes, where libvirt's header alone has %d", length, headerSize)
	}
	if len(b) < headerSize {
		return piece{}, nil
	}
	head, fds := parseHeader(b), 0
	if head.typ.hasFDs() {
		if length < headerSize+nfdsSize {
			return piece{}, fmt.Errorf("a message with descriptors of %d bytes, too short to say how many", length)
		}
		if len(b) < headerSize+nfdsSize {
			return piece{}, nil
		}
		n := binary.BigEndian.Uint32(b[headerSize:])
		if n > maxFDs {
			return piece{}, fmt.Errorf("a message with %d descriptors, where libvirt's limit is %d", n, maxFDs)
		}
		fds = int(n)
	}
	n := min(head.length, len(b))
	f.head, f.left, f.fds = head, head.length-n, fds
	return piece{kind: pieceFrame, n: n, first: true, last: f.between()}, nil
}

// saslLayer reports whether b, between two frames, is no frame but the start of
// a packet of a SASL security layer: its length (RFC 4422, section 3.7), then
// bytes that look like nothing.
func saslLayer(b []byte) bool {
	return !Program(binary.BigEndian.Uint32(b[lengthSize:])).known()
}
