package e2e

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/internal/capture"
	"github.com/virt-netboot/virt-netboot/internal/timeline"
)

// listen gathers the frames that pass an interface, until the function that it
// returns is called. That gives those that a probe's port sent, from either end.
func listen(t *testing.T, device string) func() []capture.Frame {
	t.Helper()
	listener, err := capture.Listen(device)
	must(t, err)
	var frames []capture.Frame
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			frame, err := listener.Read()
			if err != nil {
				return // closed
			}
			if bytes.Equal(frame.Data[7:9], []byte("vn")) { // within the source address
				frames = append(frames, frame)
			}
		}
	}()
	return func() []capture.Frame {
		time.Sleep(100 * time.Millisecond) // what is on its way
		must(t, listener.Close())
		<-done
		return frames
	}
}

// kindOf is what a frame has in it: an event of a boot, all else by its EtherType.
func kindOf(frame capture.Frame) string {
	if e, _ := timeline.New(frame.At).Add(frame); e != nil {
		return string(e.Kind)
	}
	return fmt.Sprintf("ethertype %#x", frame.Data[12:14])
}
