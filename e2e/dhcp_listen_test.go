package e2e

import (
	"bytes"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// listen gathers the frames that pass an interface, until the function that it
// returns is called. That gives those that a probe's port sent, from either end.
func listen(t *testing.T, device string) func() [][]byte {
	t.Helper()
	link, err := net.InterfaceByName(device)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := packet.Listen(link, packet.Raw, unix.ETH_P_ALL, nil)
	if err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			frame := make([]byte, 2048)
			n, _, err := conn.ReadFrom(frame)
			if err != nil {
				return // closed
			}
			if bytes.Equal(frame[7:9], []byte("vn")) { // within the source address
				frames = append(frames, frame[:n])
			}
		}
	}()
	return func() [][]byte {
		time.Sleep(100 * time.Millisecond) // what is on its way
		conn.Close()
		<-done
		return frames
	}
}

// kindOf is what a frame has in it: a DHCP message by its type, all else by its
// EtherType.
func kindOf(frame []byte) string {
	if request, err := requestIn(frame); err == nil {
		return request.MessageType().String()
	}
	return fmt.Sprintf("ethertype %#x", frame[12:14])
}
