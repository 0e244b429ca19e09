package timeline

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// stream is a TCP connection that the guest opens.
type stream struct {
	mac       string
	connected bool
	// request is the line of the last HTTP request, and response where its response
	// begins in the stream, once it is there.
	request  string
	answered bool
	response uint32
	http     bool
	tls      bool
}

// tcp reads a connection, an HTTP request or an HTTP response. What is HTTP is known by
// its first line, on every port.
func (w *wire) tcp(p packet, at time.Time) (Event, bool) {
	sent, received := flow{p.from, p.to}, flow{p.to, p.from}
	if p.tcp.SYN && !p.tcp.ACK {
		if w.streams[sent] == nil {
			remember(w.streams, sent, &stream{mac: p.source})
		}
		return event(Connect, p.source, p.to, "TCP connect to %s", p.to).segment(p), true
	}
	if s := w.streams[received]; s != nil {
		if s.http {
			w.last = at
		}
		return s.fromServer(p)
	}
	if _, ok := requestLine(p.tcp.Payload); ok && w.streams[sent] == nil {
		remember(w.streams, sent, &stream{mac: p.source}) // it was opened before the trace
	}
	if s := w.streams[sent]; s != nil {
		return s.fromClient(p)
	}
	return Event{}, false
}

func event(kind Kind, mac string, server netip.AddrPort, format string, args ...any) Event {
	return Event{Kind: kind, MAC: mac, Server: server.Addr(), Port: server.Port(), Text: fmt.Sprintf(format, args...)}
}

// segment has a retransmission be known by its sequence number.
func (e Event) segment(p packet) Event {
	e.same = fmt.Sprint(e.Kind, p.from, p.to, p.tcp.Seq)
	return e
}

func (s *stream) fromClient(p packet) (Event, bool) {
	if line, ok := requestLine(p.tcp.Payload); ok {
		s.http, s.request, s.answered = true, line, false
		e := event(HTTPRequest, s.mac, p.to, "%s from %s", line, host(p.to)).segment(p)
		_, e.File, _ = strings.Cut(line, " ")
		return e, true
	}
	const handshake, version = 0x16, 3 // RFC 8446, section 5.1
	if b := p.tcp.Payload; len(b) > 2 && b[0] == handshake && b[1] == version && !s.tls {
		s.tls = true
		return event(TLS, s.mac, p.to, "TLS to %s: what it asks for cannot be read", p.to).segment(p), true
	}
	return Event{}, false
}

func (s *stream) fromServer(p packet) (Event, bool) {
	switch {
	case p.tcp.SYN:
		s.connected = true
		return event(Accepted, s.mac, p.from, "%s accepts the connection", p.from).segment(p), true
	case p.tcp.RST && !s.connected:
		return event(Refused, s.mac, p.from, "%s refuses the connection", p.from).segment(p), true
	}
	status, size := response(p.tcp.Payload)
	known := s.answered && p.tcp.Seq != s.response                                  // the rest of it, whatever that looks like
	if s.request == "" || known || status == "" || strings.HasPrefix(status, "1") { // after 1xx comes another one
		return Event{}, false
	}
	s.answered, s.response = true, p.tcp.Seq
	e := event(HTTPResponse, s.mac, p.from, "HTTP %s from %s to %s", status, host(p.from), s.request).segment(p)
	method, file, _ := strings.Cut(s.request, " ")
	e.File, e.Status, e.head = file, status, method == http.MethodHead
	if size > 0 {
		e.Bytes = size
		e.Text += fmt.Sprintf(", %d bytes", size)
	}
	return e, true
}

// response is the status that a segment begins with, as in 404 Not Found, and the size
// of what follows the headers, 0 where the segment does not say. The status is empty
// where there is none.
func response(segment []byte) (status string, size int64) {
	if r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(segment)), nil); err == nil {
		return r.Status, max(r.ContentLength, 0)
	}
	line, _, ok := bytes.Cut(segment, []byte("\r\n"))
	if !ok || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return "", 0
	}
	_, status, _ = strings.Cut(string(line), " ")
	return status, 0
}

// requestLine is the request that a segment begins with, as in GET /boot.ipxe.
func requestLine(segment []byte) (string, bool) {
	line, _, whole := bytes.Cut(segment, []byte("\r\n"))
	request, isHTTP := strings.CutSuffix(string(line), " HTTP/1.1")
	if !isHTTP {
		request, isHTTP = strings.CutSuffix(string(line), " HTTP/1.0")
	}
	method, _, _ := strings.Cut(request, " ")
	return request, whole && isHTTP && slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut}, method)
}

// host is a web server as a URL has it.
func host(server netip.AddrPort) string {
	switch {
	case server.Port() != 80:
		return server.String()
	case server.Addr().Is6():
		return "[" + server.Addr().String() + "]"
	}
	return server.Addr().String()
}

// unreachable reads ICMP's error about a packet of the guest's (RFC 792).
func unreachable(p packet) (Event, bool) {
	if p.icmp.TypeCode.Type() != layers.ICMPv4TypeDestinationUnreachable {
		return Event{}, false
	}
	about := gopacket.NewPacket(p.icmp.Payload, layers.LayerTypeIPv4, gopacket.Lazy)
	ip, ok := about.NetworkLayer().(*layers.IPv4)
	if !ok {
		return Event{}, false
	}
	server := netip.AddrPortFrom(address(ip.DstIP), 0)
	// Of the packet there are only its first bytes (RFC 792), the ports among them.
	if len(ip.Payload) >= 4 && (ip.Protocol == layers.IPProtocolUDP || ip.Protocol == layers.IPProtocolTCP) {
		server = netip.AddrPortFrom(server.Addr(), uint16(ip.Payload[2])<<8|uint16(ip.Payload[3]))
	}
	e := event(Unreachable, p.destination, server, "ICMP from %s: %s is unreachable", p.from.Addr(), server)
	e.Status = p.icmp.TypeCode.String()
	e.same = fmt.Sprint(e.Kind, p.from, server, ip.Id)
	return e, true
}
