package rpc

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func frameOf(h Header, payload []byte) []byte { return NewMessage(h, payload).Bytes }

func withFDs(n int, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(n)), payload...)
}

var (
	getLibVersion = Header{Prog: ProgramRemote, Vers: 1, Proc: 157, Type: TypeCall, Serial: 7}
	streamData    = Header{Prog: ProgramRemote, Vers: 1, Proc: 208, Type: TypeStream, Serial: 8, Status: StatusContinue}
	openFD        = Header{Prog: ProgramRemote, Vers: 1, Proc: 295, Type: TypeCallWithFDs, Serial: 9}
	ping          = Header{Prog: ProgramKeepAlive, Vers: 1, Proc: 1, Type: TypeMessage}
)

// part is a run of bytes as the framer understood it.
type part struct {
	Head   Header
	Bytes  string
	FDs    int
	Opaque bool
}

// parts gives b to a framer in portions that end at the cuts.
func parts(f *Framer, b []byte, cuts ...int) ([]part, string) {
	var ps []part
	pos := 0
	for _, end := range append(cuts, len(b)) {
		for pos < end {
			p, err := f.Next(b[pos:end])
			if err != nil {
				return ps, err.Error()
			}
			if p.Kind == PieceShort {
				break
			}
			if p.First {
				ps = append(ps, part{Head: f.Head, Opaque: p.Kind == PieceOpaque})
			}
			last := &ps[len(ps)-1]
			if p.Kind == PieceFD {
				last.FDs++
			} else {
				last.Bytes += string(b[pos : pos+p.N])
			}
			pos += p.N
			if p.Last != f.Between() && p.Kind != PieceOpaque {
				return ps, "last is not between"
			}
		}
	}
	return ps, ""
}

func TestFramer(t *testing.T) {
	call := frameOf(getLibVersion, nil)
	data := frameOf(streamData, []byte("bytes of a volume"))
	fds := frameOf(openFD, withFDs(2, []byte("args")))
	alive := frameOf(ping, nil)
	long := func(n uint32) []byte {
		b := frameOf(getLibVersion, make([]byte, 64))
		binary.BigEndian.PutUint32(b, n)
		return b
	}
	tests := map[string]struct {
		in   []byte
		sasl bool
		want []part
		err  string
	}{
		"nothing":     {},
		"a call":      {in: call, want: []part{{Head: ParseHeader(call), Bytes: string(call)}}},
		"a keepalive": {in: alive, want: []part{{Head: ParseHeader(alive), Bytes: string(alive)}}},
		"three frames": {
			in: join(call, data, alive),
			want: []part{
				{Head: ParseHeader(call), Bytes: string(call)},
				{Head: ParseHeader(data), Bytes: string(data)},
				{Head: ParseHeader(alive), Bytes: string(alive)},
			},
		},
		"descriptors, then a call": {
			in: join(fds, []byte{0, 0}, call),
			want: []part{
				{Head: ParseHeader(fds), Bytes: string(fds), FDs: 2},
				{Head: ParseHeader(call), Bytes: string(call)},
			},
		},
		"the start of a frame": {in: data[:40], want: []part{{Head: ParseHeader(data), Bytes: string(data[:40])}}},
		"the start of a header": {
			in:   join(call, data[:27]),
			want: []part{{Head: ParseHeader(call), Bytes: string(call)}},
		},
		"libvirt's longest frame": {in: long(MaxLength), want: []part{{Head: ParseHeader(long(MaxLength)), Bytes: string(long(MaxLength))}}},
		"a longer one":            {in: long(MaxLength + 1), err: "limit is 33554436"},
		"no room for a header":    {in: long(27), err: "header alone has 28"},
		"no room for nfds":        {in: frameOf(openFD, nil), err: "too short to say how many"},
		"too many descriptors":    {in: frameOf(openFD, withFDs(33, nil)), err: "limit is 32"},
		"an unknown program": {
			in:   frameOf(Header{Prog: 1}, nil),
			want: []part{{Head: ParseHeader(frameOf(Header{Prog: 1}, nil)), Bytes: string(frameOf(Header{Prog: 1}, nil))}},
		},
		"SASL's layer": {
			in: join(call, []byte("\x00\x00\x00\x0aciphertext")), sasl: true,
			want: []part{
				{Head: ParseHeader(call), Bytes: string(call)},
				{Head: ParseHeader(call), Bytes: "\x00\x00\x00\x0aciphertext", Opaque: true},
			},
		},
		"SASL without a layer": {in: call, sasl: true, want: []part{{Head: ParseHeader(call), Bytes: string(call)}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for cut := range len(tt.in) + 1 {
				got, err := parts(&Framer{SASL: tt.sasl}, tt.in, cut)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Fatalf("cut at %d (-want +got):\n%s", cut, diff)
				}
				if (tt.err == "") != (err == "") || !strings.Contains(err, tt.err) {
					t.Fatalf("cut at %d: error %q, want %q", cut, err, tt.err)
				}
			}
		})
	}
}

func FuzzFramer(f *testing.F) {
	for _, seed := range [][]byte{
		frameOf(getLibVersion, nil),
		join(frameOf(streamData, make([]byte, 300)), frameOf(ping, nil)),
		join(frameOf(openFD, withFDs(2, nil)), []byte{0, 0}, frameOf(getLibVersion, nil)),
		frameOf(openFD, withFDs(33, nil)),
	} {
		f.Add(seed, uint8(3), false)
	}
	f.Add([]byte("\x00\x00\x00\x0aciphertext"), uint8(5), true)
	f.Fuzz(func(t *testing.T, b []byte, size uint8, sasl bool) {
		var cuts []int
		for at := int(size) + 1; at < len(b); at += int(size) + 1 {
			cuts = append(cuts, at)
		}
		whole, wholeErr := parts(&Framer{SASL: sasl}, b)
		cut, cutErr := parts(&Framer{SASL: sasl}, b, cuts...)
		if diff := cmp.Diff(whole, cut); diff != "" || wholeErr != cutErr {
			t.Fatalf("portions of %d: %q, whole: %q (-whole +portions):\n%s", size+1, cutErr, wholeErr, diff)
		}
		n := 0
		for _, p := range whole {
			n += len(p.Bytes) + p.FDs
		}
		if wholeErr == "" && len(b)-n >= HeaderSize+nfdsSize {
			t.Fatalf("%d of %d bytes were not understood", len(b)-n, len(b))
		}
	})
}

func join(bs ...[]byte) []byte { return bytes.Join(bs, nil) }
