// Package timeline says what happened in a network boot: frames come in, events and a
// verdict come out. It does no I/O.
//
//	packet.go   a frame with its parts
//	event.go    what an event has
//	dhcp.go     DHCP, DHCPv6, router advertisements
//	resolve.go  ARP, DNS
//	tftp.go     TFTP
//	tcp.go      TCP, HTTP, TLS, and ICMP's errors
//	timeline.go which frames are the instance's, retransmissions
//	attempt.go  one client's boot: what it asked for and got
//	verdict.go  all of it in a sentence, and when a boot is over
package timeline

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/virt-netboot/virt-netboot/internal/capture"
)

// tracked is how many connections or messages a timeline remembers. A guest may send
// what it likes; when there are more, those before are forgotten.
const tracked = 10_000

// NIC is an interface of an instance.
type NIC struct {
	Device string // on the node
	MAC    net.HardwareAddr
}

// Timeline is a network boot so far.
type Timeline struct {
	start time.Time
	wires []*wire
	// all has a wire for each device that a frame comes from.
	all      bool
	attempts []*attempt
}

// wire is what passed one device.
type wire struct {
	device string
	mac    string // the instance's; empty where everyone's boot is of interest
	last   time.Time

	sent      map[string]int        // how often a message was sent, by Event.same
	given     map[netip.Addr]string // MAC that a DHCP server gave an address to
	solicited bool                  // the guest asked for a router
	transfers map[flow]*transfer    // TFTP
	streams   map[flow]*stream      // TCP
}

// flow is a connection, from its client to its server.
type flow struct{ client, server netip.AddrPort }

// New begins a timeline of the instance that has the interfaces, or without any of
// whoever boots in the networks that frames come from.
func New(start time.Time, nics ...NIC) *Timeline {
	t := &Timeline{start: start, all: len(nics) == 0}
	for _, nic := range nics {
		t.addWire(nic.Device, nic.MAC.String())
	}
	return t
}

func (t *Timeline) addWire(device, mac string) *wire {
	w := &wire{
		device: device, mac: mac,
		sent: map[string]int{}, given: map[netip.Addr]string{},
		transfers: map[flow]*transfer{}, streams: map[flow]*stream{},
	}
	t.wires = append(t.wires, w)
	return w
}

func (t *Timeline) wire(device string) *wire {
	for _, w := range t.wires {
		if w.device == device {
			return w
		}
	}
	return t.addWire(device, "")
}

// Add adds the next frame. own says whether the frame is the instance's: it is from or
// to the interface, answers its DHCP request, asks for its address or is a router's
// answer to it. Frames of others that reach the interface as broadcasts are left out.
// The event is nil where the frame has no part in a boot, or is one of many.
func (t *Timeline) Add(f capture.Frame) (event *Event, own bool) {
	p, w := decode(f), t.wire(f.Device)
	if !t.all && !w.owns(p) {
		return nil, false
	}
	e, ok := w.read(p, f.At)
	if !ok || !t.all && e.MAC != w.mac {
		return nil, true
	}
	e.Time, e.Device = f.At, f.Device
	e.Seconds = math.Round(f.At.Sub(t.start).Seconds()*1e6) / 1e6
	remember(w.sent, e.same, w.sent[e.same]+1)
	if n := w.sent[e.same]; n > 1 {
		e.Again = n
		e.Text += fmt.Sprintf(", again (%s time)", nth(n))
	}
	w.last = f.At
	t.follow(e)
	return &e, true
}

// remember puts a value into a map of bounded size.
func remember[K comparable, V any](m map[K]V, key K, value V) {
	if len(m) >= tracked {
		clear(m)
	}
	m[key] = value
}

func (w *wire) owns(p packet) bool {
	switch {
	case p.source == w.mac || p.destination == w.mac:
		return true
	case p.dhcp != nil:
		return p.dhcp.ClientHWAddr.String() == w.mac
	case p.arp != nil:
		return w.given[address(p.arp.DstProtAddress)] == w.mac
	case p.icmp6 != nil:
		return p.icmp6.TypeCode.Type() == layers.ICMPv6TypeRouterAdvertisement && w.solicited
	}
	return false
}

// read is the event of a packet.
func (w *wire) read(p packet, at time.Time) (Event, bool) {
	switch {
	case p.arp != nil:
		return w.arp(p)
	case p.dhcp != nil:
		return w.dhcp(p)
	case p.udp != nil && p.uses(dhcpv6Client, dhcpv6Server):
		return dhcp6(p)
	case p.udp != nil && p.uses(dnsPort):
		return dns(p)
	case p.udp != nil:
		return w.tftp(p, at)
	case p.tcp != nil:
		return w.tcp(p, at)
	case p.icmp != nil:
		return unreachable(p)
	case p.icmp6 != nil:
		return w.router(p)
	}
	return Event{}, false
}
