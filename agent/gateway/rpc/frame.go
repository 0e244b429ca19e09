package rpc

import (
	"encoding/binary"
	"fmt"
)

// Framer knows where the frames are in a stream of bytes. It is told the bytes
// in any portions and keeps none of them. Its fields are all that it knows: a copy of
// them in another process goes on where it has stopped.
type Framer struct {
	Head Header // of the frame under way
	Left int    // its bytes that are still to come
	FDs  int    // the one-byte messages after it that are still to come

	// SASL: a SASL layer may start at the end of any frame.
	SASL bool
	// Opaque: it has started, there are no more frames to be seen.
	Opaque bool
}

// Piece is what the first N bytes of a portion are.
type Piece struct {
	Kind PieceKind
	N    int
	// First and Last: the piece begins a frame, ends it with all that belongs to it.
	First, Last bool
}

// PieceKind is what the bytes of a piece belong to.
type PieceKind int

// The kinds of a piece.

const (
	PieceShort  PieceKind = iota // too few bytes to say: try again with more behind them
	PieceFrame                   // bytes of a frame
	PieceFD                      // the byte that carries a descriptor
	PieceOpaque                  // bytes of a SASL layer
)

// Next says what the first bytes of b are; b begins where the last piece ended.
// The error is for bytes that libvirt would end the connection for.
func (f *Framer) Next(b []byte) (Piece, error) {
	if f.Opaque {
		return Piece{Kind: PieceOpaque, N: len(b)}, nil
	}
	if f.Left > 0 {
		n := min(f.Left, len(b))
		f.Left -= n
		return Piece{Kind: PieceFrame, N: n, Last: f.Between()}, nil
	}
	if f.FDs > 0 && len(b) > 0 {
		f.FDs--
		return Piece{Kind: PieceFD, N: 1, Last: f.Between()}, nil
	}
	if f.SASL && len(b) < 2*lengthSize {
		return Piece{}, nil
	}
	if f.SASL && saslLayer(b) {
		f.Opaque = true
		return Piece{Kind: PieceOpaque, N: len(b), First: true}, nil
	}
	return f.begin(b)
}

// Between reports whether the last piece ended a frame.
func (f *Framer) Between() bool { return f.Left == 0 && f.FDs == 0 }

func (f *Framer) begin(b []byte) (Piece, error) {
	if len(b) < lengthSize {
		return Piece{}, nil
	}
	length := binary.BigEndian.Uint32(b)
	if length > MaxLength {
		return Piece{}, fmt.Errorf("a message of %d bytes, where libvirt's limit is %d", length, MaxLength)
	}
	if length < HeaderSize {
		return Piece{}, fmt.Errorf("a message of %d bytes, where libvirt's header alone has %d", length, HeaderSize)
	}
	if len(b) < HeaderSize {
		return Piece{}, nil
	}
	head, fds := ParseHeader(b), 0
	if head.Type.hasFDs() {
		if length < HeaderSize+nfdsSize {
			return Piece{}, fmt.Errorf("a message with descriptors of %d bytes, too short to say how many", length)
		}
		if len(b) < HeaderSize+nfdsSize {
			return Piece{}, nil
		}
		n := binary.BigEndian.Uint32(b[HeaderSize:])
		if n > maxFDs {
			return Piece{}, fmt.Errorf("a message with %d descriptors, where libvirt's limit is %d", n, maxFDs)
		}
		fds = int(n)
	}
	n := min(head.Length, len(b))
	f.Head, f.Left, f.FDs = head, head.Length-n, fds
	return Piece{Kind: PieceFrame, N: n, First: true, Last: f.Between()}, nil
}

// saslLayer reports whether b, between two frames, is no frame but the start of
// a packet of a SASL security layer: its length (RFC 4422, section 3.7), then
// bytes that look like nothing.
func saslLayer(b []byte) bool {
	return !Program(binary.BigEndian.Uint32(b[lengthSize:])).known()
}
