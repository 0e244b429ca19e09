package timeline

import (
	"fmt"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

const dnsPort = 53

// arp reads who asks for an address, the guest or a server that answers it.
func (w *wire) arp(p packet) (Event, bool) {
	mac := w.mac
	if mac == "" {
		mac = p.source
	}
	sender, target := address(p.arp.SourceProtAddress), address(p.arp.DstProtAddress)
	question := func(who, what any) string { return fmt.Sprint("arp ", who, " ", what) }
	switch p.arp.Operation {
	case layers.ARPRequest:
		e := Event{Kind: ARPRequest, MAC: mac, Address: target, Text: fmt.Sprintf("ARP: who has %s", target), same: question(p.source, target)}
		if p.source != mac {
			e.Server = sender
			e.Text = fmt.Sprintf("ARP from %s: who has %s", sender, target)
		}
		return e, true
	case layers.ARPReply:
		delete(w.sent, question(p.destination, sender)) // to ask later is not to ask again
		delete(w.sent, question(p.destination, "reply "+sender.String()))
		e := Event{Kind: ARPReply, MAC: mac, Address: sender, Text: fmt.Sprintf("ARP: %s is at %s", sender, p.source)}
		e.same = question(p.destination, "reply "+sender.String())
		return e, true
	}
	return Event{}, false
}

// dns reads a query for a name, or its answer.
func dns(p packet) (Event, bool) {
	var m layers.DNS
	if m.DecodeFromBytes(p.udp.Payload, gopacket.NilDecodeFeedback) != nil || len(m.Questions) == 0 {
		return Event{}, false
	}
	e := Event{Kind: DNSQuery, MAC: p.source, Server: p.to.Addr(), File: string(m.Questions[0].Name)}
	e.Text = fmt.Sprintf("DNS query to %s: %s %s", e.Server, m.Questions[0].Type, e.File)
	if m.QR {
		e.Kind, e.MAC, e.Server = DNSAnswer, p.destination, p.from.Addr()
		e.Status = answers(m)
		e.Text = fmt.Sprintf("DNS answer from %s: %s is %s", e.Server, e.File, e.Status)
	}
	e.same = fmt.Sprint(e.Kind, e.MAC, m.ID, m.Questions[0].Type, e.File)
	return e, true
}

// answers are the addresses of an answer, or why there are none.
func answers(m layers.DNS) string {
	if m.ResponseCode != layers.DNSResponseCodeNoErr {
		return m.ResponseCode.String()
	}
	var all []string
	for _, a := range m.Answers {
		if a.IP != nil {
			all = append(all, a.IP.String())
		}
	}
	if all == nil {
		return "no address"
	}
	return strings.Join(all, " ")
}
