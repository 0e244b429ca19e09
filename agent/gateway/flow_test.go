package gateway

import (
	"runtime"
	"testing"
	"weak"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
)

// TestReleasedBuffer: what a connection had its bytes in is free while it is idle.
func TestReleasedBuffer(t *testing.T) {
	sender, from := socketPair(t)
	to, receiver := socketPair(t)
	f := &flow{from: from, to: to, observer: passing{}}
	frame := frameOf(getLibVersion, nil)
	if _, err := sender.send(frame, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.advance(true); err != nil {
		t.Fatal(err)
	}
	if n, _, err := receiver.recv(make([]byte, 2*len(frame))); n != len(frame) || err != nil {
		t.Fatalf("%d bytes, %v; want %d", n, err, len(frame))
	}
	buffer := weak.Make(&f.buf[0])
	f.release()
	runtime.GC()
	if buffer.Value() != nil {
		t.Error("an idle connection keeps its buffer")
	}
	runtime.KeepAlive(f)
}

// passing lets all pass.
type passing struct{}

func (passing) begin(rpc.Header) verdict { return pass }
func (passing) taken(rpc.Message)        {}
func (passing) lost()                    {}
