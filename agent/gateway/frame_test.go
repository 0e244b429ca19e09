package gateway

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/internal/testing/corpus"
)

// frameOf makes a frame with the length that its payload gives it.
func frameOf(h header, payload []byte) []byte {
	h.length = headerSize + len(payload)
	return append(h.append(nil), payload...)
}

func withFDs(n int, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(n)), payload...)
}

var (
	getLibVersion = header{prog: ProgramRemote, vers: 1, proc: 157, typ: typeCall, serial: 7}
	streamData    = header{prog: ProgramRemote, vers: 1, proc: 208, typ: typeStream, serial: 8, status: statusContinue}
	openFD        = header{prog: ProgramRemote, vers: 1, proc: 295, typ: typeCallWithFDs, serial: 9}
	ping          = header{prog: ProgramKeepAlive, vers: 1, proc: 1, typ: typeMessage}
)

// part is a run of bytes as the framer understood it.
type part struct {
	Head   header
	Bytes  string
	FDs    int
	Opaque bool
}

// parts gives b to a framer in portions that end at the cuts.
func parts(f *framer, b []byte, cuts ...int) ([]part, string) {
	var ps []part
	pos := 0
	for _, end := range append(cuts, len(b)) {
		for pos < end {
			p, err := f.next(b[pos:end])
			if err != nil {
				return ps, err.Error()
			}
			if p.kind == pieceShort {
				break
			}
			if p.first {
				ps = append(ps, part{Head: f.head, Opaque: p.kind == pieceOpaque})
			}
			last := &ps[len(ps)-1]
			if p.kind == pieceFD {
				last.FDs++
			} else {
				last.Bytes += string(b[pos : pos+p.n])
			}
			pos += p.n
			if p.last != f.between() && p.kind != pieceOpaque {
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
	head := func(b []byte) header { return parseHeader(b) }
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
		"a call":      {in: call, want: []part{{Head: head(call), Bytes: string(call)}}},
		"a keepalive": {in: alive, want: []part{{Head: head(alive), Bytes: string(alive)}}},
		"three frames": {
			in: join(call, data, alive),
			want: []part{
				{Head: head(call), Bytes: string(call)},
				{Head: head(data), Bytes: string(data)},
				{Head: head(alive), Bytes: string(alive)},
			},
		},
		"descriptors, then a call": {
			in: join(fds, []byte{0, 0}, call),
			want: []part{
				{Head: head(fds), Bytes: string(fds), FDs: 2},
				{Head: head(call), Bytes: string(call)},
			},
		},
		"the start of a frame": {in: data[:40], want: []part{{Head: head(data), Bytes: string(data[:40])}}},
		"the start of a header": {
			in:   join(call, data[:27]),
			want: []part{{Head: head(call), Bytes: string(call)}},
		},
		"libvirt's longest frame": {in: long(maxLength), want: []part{{Head: head(long(maxLength)), Bytes: string(long(maxLength))}}},
		"a longer one":            {in: long(maxLength + 1), err: "limit is 33554436"},
		"no room for a header":    {in: long(27), err: "header alone has 28"},
		"no room for nfds":        {in: frameOf(openFD, nil), err: "too short to say how many"},
		"too many descriptors":    {in: frameOf(openFD, withFDs(33, nil)), err: "limit is 32"},
		"an unknown program": {
			in:   frameOf(header{prog: 1}, nil),
			want: []part{{Head: head(frameOf(header{prog: 1}, nil)), Bytes: string(frameOf(header{prog: 1}, nil))}},
		},
		"SASL's layer": {
			in: join(call, []byte("\x00\x00\x00\x0aciphertext")), sasl: true,
			want: []part{
				{Head: head(call), Bytes: string(call)},
				{Head: head(call), Bytes: "\x00\x00\x00\x0aciphertext", Opaque: true},
			},
		},
		"SASL without a layer": {in: call, sasl: true, want: []part{{Head: head(call), Bytes: string(call)}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for cut := range len(tt.in) + 1 {
				got, err := parts(&framer{sasl: tt.sasl}, tt.in, cut)
				if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(header{})); diff != "" {
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
	for _, seed := range seedStreams(f) {
		f.Add(seed, uint8(3), false)
	}
	f.Add([]byte("\x00\x00\x00\x0aciphertext"), uint8(5), true)
	f.Fuzz(func(t *testing.T, b []byte, size uint8, sasl bool) {
		var cuts []int
		for at := int(size) + 1; at < len(b); at += int(size) + 1 {
			cuts = append(cuts, at)
		}
		whole, wholeErr := parts(&framer{sasl: sasl}, b)
		cut, cutErr := parts(&framer{sasl: sasl}, b, cuts...)
		if diff := cmp.Diff(whole, cut, cmp.AllowUnexported(header{})); diff != "" || wholeErr != cutErr {
			t.Fatalf("portions of %d: %q, whole: %q (-whole +portions):\n%s", size+1, cutErr, wholeErr, diff)
		}
		n := 0
		for _, p := range whole {
			n += len(p.Bytes) + p.FDs
		}
		if wholeErr == "" && len(b)-n >= headerSize+nfdsSize {
			t.Fatalf("%d of %d bytes were not understood", len(b)-n, len(b))
		}
	})
}

// seedStreams are what a client may send.
func seedStreams(f *testing.F) [][]byte {
	f.Helper()
	define := header{prog: ProgramRemote, vers: 1, proc: ProcDomainDefineXMLFlags, typ: typeCall, serial: 3}
	attach := header{prog: ProgramRemote, vers: 1, proc: ProcDomainAttachDeviceFlags, typ: typeCall, serial: 4}
	streams := [][]byte{
		frameOf(getLibVersion, nil),
		join(frameOf(streamData, make([]byte, 300)), frameOf(ping, nil)),
		join(frameOf(openFD, withFDs(2, nil)), []byte{0, 0}, frameOf(getLibVersion, nil)),
		join(frameOf(define, defineArgs(domainDoc)), frameOf(getLibVersion, nil)),
		frameOf(attach, attachArgs(`<interface type='bridge'/>`)),
		frameOf(define, []byte{0xff, 0xff, 0xff, 0xff}),
	}
	for _, doc := range corpus.Sample(f, 32) {
		streams = append(streams, join(frameOf(define, defineArgs(string(doc))), frameOf(ping, nil)))
	}
	return streams
}

func join(bs ...[]byte) []byte {
	var all []byte
	for _, b := range bs {
		all = append(all, b...)
	}
	return all
}
