// Package capture takes the frames of a network device, as tcpdump does, and keeps
// them in a file that tcpdump and Wireshark read. It needs CAP_NET_RAW.
package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/gopacket/gopacket/pcapgo"
	"golang.org/x/sys/unix"
)

// Frame is an Ethernet frame that passed a device, in either direction.
type Frame struct {
	Device string
	At     time.Time // the kernel's
	Data   []byte
	Length int // more than Data has where the frame was cut
}

// Listener receives the frames of a device.
type Listener struct {
	link   *net.Interface
	handle *pcapgo.EthernetHandle
	closed atomic.Bool
}

// Listen begins to receive. The device keeps its mode: a bridge that is not promiscuous
// has only its own frames, a port of a bridge has all.
func Listen(device string) (*Listener, error) {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", device, err)
	}
	handle, err := pcapgo.NewEthernetHandle(device)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", device, err)
	}
	return &Listener{link: link, handle: handle}, nil
}

// Read waits for a frame. It returns io.EOF once the device has gone.
func (l *Listener) Read() (Frame, error) {
	for {
		data, info, err := l.handle.ReadPacketData()
		switch {
		case err == nil && info.InterfaceIndex == l.link.Index:
			if len(info.AncillaryData) > 0 {
				data = tagged(data, info.AncillaryData[0].(int))
			}
			return Frame{l.link.Name, info.Timestamp, data, max(info.Length, len(data))}, nil
		case err == nil:
			// It came before the new socket was bound to its device (packet(7)).
		case l.closed.Load():
			return Frame{}, fmt.Errorf("listening on %s: %w", l.link.Name, os.ErrClosed)
		case !l.awaitUp():
			return Frame{}, io.EOF
		}
	}
}

// awaitUp waits while the device is down, which a socket is told once. It returns false
// when the device has gone, or the listener is closed.
func (l *Listener) awaitUp() bool {
	for !l.closed.Load() {
		link, err := net.InterfaceByName(l.link.Name)
		if err != nil || link.Index != l.link.Index {
			return false
		}
		if link.Flags&net.FlagUp != 0 {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// Lost is how many frames the kernel had no room for since the last call.
func (l *Listener) Lost() int {
	stats, err := l.handle.Stats()
	if err != nil {
		return 0
	}
	return int(stats.Drops)
}

// Close ends the listener, and a Read that waits.
func (l *Listener) Close() error {
	l.closed.Store(true)
	return l.handle.Close()
}

// tagged puts a VLAN's tag back, which the kernel keeps beside the frame.
func tagged(frame []byte, vlan int) []byte {
	const addresses = 12 // where the EtherType begins
	if len(frame) < addresses {
		return frame
	}
	whole := append([]byte{}, frame[:addresses]...)
	whole = binary.BigEndian.AppendUint16(whole, unix.ETH_P_8021Q)
	whole = binary.BigEndian.AppendUint16(whole, uint16(vlan))
	return append(whole, frame[addresses:]...)
}
