package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
)

// tick is how often the probe stops listening to see whether it is time to send or end.
const tick = 100 * time.Millisecond

// repeats are the times at which each request is sent, counted from the first. They
// are iPXE's (DHCP_DISC_START_TIMEOUT_SEC in its src/config/dhcp.h, doubled each time).
// Servers recognise a repeated request by its transaction.
func repeats() []time.Duration {
	return []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}
}

// question is a request and the kind of client that it looks like.
type question struct {
	client  Client
	request *dhcpv4.DHCPv4
}

func questions(macs []net.HardwareAddr, f Firmware) ([]question, error) {
	var all []question
	for _, mac := range macs {
		ipxe, err := DiscoverIPXE(mac, f)
		if err != nil {
			return nil, err
		}
		ordinary, err := DiscoverOrdinary(mac)
		if err != nil {
			return nil, err
		}
		all = append(all, question{IPXE, ipxe}, question{Ordinary, ordinary})
	}
	return all, nil
}

// ask sends the requests through an interface and returns the offers that came in
// time, each once.
func ask(ctx context.Context, iface string, macs []net.HardwareAddr, o Options) ([]Offer, error) {
	asked, err := questions(macs, o.Firmware)
	if err != nil {
		return nil, err
	}
	conn, err := nclient4.NewRawUDPConn(iface, dhcpv4.ClientPort)
	if err != nil {
		return nil, fmt.Errorf("opening a packet socket: %w", err)
	}
	defer conn.Close()

	offers := []Offer{}
	start, next := time.Now(), repeats()
	for {
		past, wait := time.Since(start), o.wait(offers)
		if past >= wait {
			return offers, nil
		}
		if o.Progress != nil {
			o.Progress(wait - past)
		}
		if len(next) > 0 && past >= next[0] {
			if err := send(conn, asked, past); err != nil {
				return nil, err
			}
			next = next[1:]
		}
		offer, ok, err := hear(conn, asked)
		if err != nil {
			return nil, err
		}
		if ok && !slices.Contains(offers, offer) {
			offers = append(offers, offer)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

func send(conn net.PacketConn, asked []question, past time.Duration) error {
	for _, q := range asked {
		q.request.NumSeconds = uint16(past.Seconds())
		if _, err := conn.WriteTo(q.request.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ServerPort}); err != nil {
			return fmt.Errorf("sending a DHCPDISCOVER: %w", err)
		}
	}
	return nil
}

// hear waits a tick for an offer to one of the questions.
func hear(conn net.PacketConn, asked []question) (Offer, bool, error) {
	if err := conn.SetReadDeadline(time.Now().Add(tick)); err != nil {
		return Offer{}, false, err
	}
	packet := make([]byte, 1<<16)
	n, from, err := conn.ReadFrom(packet)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return Offer{}, false, nil
	}
	if err != nil {
		return Offer{}, false, fmt.Errorf("waiting for an offer: %w", err)
	}
	m, err := dhcpv4.FromBytes(packet[:n])
	if err != nil {
		return Offer{}, false, nil // it is not DHCP
	}
	i := slices.IndexFunc(asked, func(q question) bool { return q.request.TransactionID == m.TransactionID })
	if i < 0 {
		return Offer{}, false, nil
	}
	offer, ok := readOffer(m, from.(*net.UDPAddr).IP)
	offer.Client = asked[i].client
	return offer, ok, nil
}
