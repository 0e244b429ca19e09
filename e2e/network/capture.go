package network

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// Capture keeps what passes a bridge: DHCP messages and HTTP requests.
type Capture struct {
	Bridge string

	conn  *packet.Conn
	ended chan struct{}
	mutex sync.Mutex // of seen
	seen  []Seen
}

// Seen is one packet that passed a bridge.
type Seen struct {
	At time.Time
	// MAC is its sender's.
	MAC net.HardwareAddr
	// DHCP is the message that it had in it, otherwise GET the path of an HTTP
	// request.
	DHCP *dhcpv4.DHCPv4
	GET  string
}

// FromIPXE reports whether it is a DHCP request of iPXE's.
func (s Seen) FromIPXE() bool {
	return s.DHCP != nil && s.DHCP.OpCode == dhcpv4.OpcodeBootRequest &&
		bytes.Contains(s.DHCP.Options.Get(dhcpv4.OptionUserClassInformation), []byte("iPXE"))
}

func (s Seen) String() string {
	switch {
	case s.DHCP == nil:
		return "GET " + s.GET
	case s.DHCP.OpCode == dhcpv4.OpcodeBootRequest:
		class := "no user class"
		if s.FromIPXE() {
			class = "user class iPXE"
		}
		return fmt.Sprintf("DHCP%s from %s, %s", s.DHCP.MessageType(), s.DHCP.ClientHWAddr, class)
	}
	text := fmt.Sprintf("DHCP%s from %s: %s", s.DHCP.MessageType(), s.DHCP.ServerIdentifier(), s.DHCP.YourIPAddr)
	if file := s.DHCP.BootFileName; file != "" {
		text += ", boot " + file
	}
	return text
}

// Listen begins to capture.
func Listen(bridge string) (*Capture, error) {
	link, err := net.InterfaceByName(bridge)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", bridge, err)
	}
	conn, err := packet.Listen(link, packet.Raw, unix.ETH_P_IP, nil)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", bridge, err)
	}
	// Otherwise a bridge hears nothing of what one of its ports sends to another.
	if err := conn.SetPromiscuous(true); err != nil {
		conn.Close()
		return nil, fmt.Errorf("listening to all on %s: %w", bridge, err)
	}
	c := &Capture{Bridge: bridge, conn: conn, ended: make(chan struct{})}
	go c.read()
	return c, nil
}

func (c *Capture) read() {
	defer close(c.ended)
	for frame := make([]byte, 65536); ; {
		n, _, err := c.conn.ReadFrom(frame)
		if err != nil {
			return // closed
		}
		if seen, ok := decode(bytes.Clone(frame[:n])); ok {
			seen.At = time.Now()
			c.mutex.Lock()
			c.seen = append(c.seen, seen)
			c.mutex.Unlock()
		}
	}
}

// Seen is what has passed so far; nothing where no capture has begun.
func (c *Capture) Seen() []Seen {
	if c == nil {
		return nil
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return append([]Seen(nil), c.seen...)
}

// Close ends the capture.
func (c *Capture) Close() error {
	err := c.conn.Close()
	<-c.ended
	return err
}

// decode reads an Ethernet frame with IPv4 in it.
func decode(frame []byte) (Seen, bool) {
	const ethernet, udp = 14, 8
	if len(frame) < ethernet+20 {
		return Seen{}, false
	}
	seen := Seen{MAC: frame[6:12]}
	ipHeader := int(frame[ethernet]&0x0f) * 4
	protocol, rest := frame[ethernet+9], frame[min(ethernet+ipHeader, len(frame)):]
	switch {
	case protocol == unix.IPPROTO_UDP && len(rest) > udp && (rest[3] == dhcpv4.ServerPort || rest[3] == dhcpv4.ClientPort) && rest[2] == 0:
		message, err := dhcpv4.FromBytes(rest[udp:])
		seen.DHCP = message
		return seen, err == nil
	case protocol == unix.IPPROTO_TCP && len(rest) > 20:
		request := string(rest[min(int(rest[12]>>4)*4, len(rest)):])
		path, isGet := strings.CutPrefix(request, "GET ")
		seen.GET, _, _ = strings.Cut(path, " ")
		return seen, isGet
	}
	return Seen{}, false
}
