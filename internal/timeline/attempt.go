package timeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/virt-netboot/virt-netboot/internal/bootfile"
)

// attempt is what one client asked for and got: firmware, the iPXE that it loads, or
// the operating system after them.
type attempt struct {
	mac    string
	client Client // empty where the trace began later
	v6     bool

	asked   int
	waits   bool    // for an address
	offers  []Event // one a server
	request *Event
	ack     *Event
	nak     *Event
	boot    *Event // the server's message that leads to something to boot

	files  int    // fetched
	open   *Event // the question on the way to a file that has no answer yet
	result *Event // the last answer
}

// follow puts an event into the attempt that it belongs to.
func (t *Timeline) follow(e Event) {
	v6 := strings.HasPrefix(string(e.Kind), "dhcpv6-")
	switch e.Kind {
	case Discover, Solicit:
		a := t.latest(e.MAC, func(a *attempt) bool { return a.v6 == v6 })
		if a == nil || a.client != e.Client || a.ack != nil && e.Again == 0 {
			a = t.begin(&attempt{mac: e.MAC, client: e.Client, v6: v6})
		}
		a.asked++
		a.waits = true
	case Offer, Advertise, Request, RequestV6, ACK, ReplyV6, NAK:
		if a := t.latest(e.MAC, func(a *attempt) bool { return a.v6 == v6 }); a != nil {
			a.dhcp(e)
		}
	default:
		a := t.latest(e.MAC, func(*attempt) bool { return true })
		if a == nil && (e.Kind == TFTPRequest || e.Kind == HTTPRequest || e.Kind == TLS) {
			a = t.begin(&attempt{mac: e.MAC})
		}
		if a != nil {
			a.fetch(e)
		}
	}
}

// begin adds an attempt. Where a guest begins ever again, the first ones are forgotten.
func (t *Timeline) begin(a *attempt) *attempt {
	const most = 50
	t.attempts = append(t.attempts, a)
	t.attempts = t.attempts[max(len(t.attempts)-most, 0):]
	return a
}

func (t *Timeline) latest(mac string, fits func(*attempt) bool) *attempt {
	for _, a := range slices.Backward(t.attempts) {
		if a.mac == mac && fits(a) {
			return a
		}
	}
	return nil
}

func (a *attempt) dhcp(e Event) {
	switch e.Kind {
	case Offer, Advertise:
		same := func(o Event) bool { return o.Server == e.Server }
		const most = 10
		if len(a.offers) < most && !slices.ContainsFunc(a.offers, same) {
			a.offers = append(a.offers, e)
		}
	case Request, RequestV6:
		a.request, a.waits = &e, true
	case ACK, ReplyV6:
		a.ack, a.waits = &e, false
	case NAK:
		a.nak, a.waits = &e, false
	}
	// A proxyDHCP server names the boot file in its offer, the others in their ACK.
	if e.boots && (e.Kind == ACK || e.Kind == ReplyV6 || !e.Address.IsValid()) {
		a.boot = &e
	}
}

func (a *attempt) fetch(e Event) {
	switch e.Kind {
	case ARPRequest:
		if own := a.ack != nil && a.ack.Address == e.Address; !own && !e.Server.IsValid() { // not a server's
			a.open = &e
		}
	case DNSQuery, TFTPRequest, Connect, HTTPRequest:
		a.open = &e
	case ARPReply:
		if a.open != nil && a.open.Kind == ARPRequest {
			a.open = nil
		}
	case DNSAnswer, TFTPSent, TFTPError, Refused, Unreachable, HTTPResponse, TLS:
		a.open, a.result = nil, &e
		if e.arrived() && !e.head && e.Again == 0 {
			a.files++
		}
	}
}

// arrived reports whether it is the answer with a file.
func (e Event) arrived() bool {
	return e.Kind == TFTPSent || e.Kind == HTTPResponse && strings.HasPrefix(e.Status, "2")
}

// pending reports whether more is to come: an answer, or the request for the boot file,
// before which iPXE looks for a router of IPv6 for 13 seconds.
func (a *attempt) pending() bool {
	return a.waits || a.open != nil || a.boot != nil && a.result == nil
}

// outcome is how an attempt went.
func (a *attempt) outcome() Outcome {
	switch {
	case a.client == "" && a.fetched(), a.boot != nil && a.fetched():
		return Fetched
	case a.client == "", a.boot != nil && a.ack != nil:
		return NotFetched
	case a.ack != nil:
		return NoBootFile
	case a.nak != nil:
		return RefusedAddress
	case a.request != nil:
		return NoACK
	case len(a.offers) > 0:
		return NotTaken
	}
	return NoAnswer
}

func (a *attempt) fetched() bool {
	return a.open == nil && a.result != nil && (a.result.arrived() || a.result.Kind == TLS)
}

// String tells it in words.
func (a *attempt) String() string {
	var parts []string
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if a.asked > 0 {
		say("%s asked %s", a.name(), times(a.asked))
	} else {
		say("%s went on", a.name())
	}
	switch a.outcome() {
	case NoAnswer:
		say("no server answered")
	case NotTaken:
		for _, o := range a.offers {
			say("%s", o.offered())
		}
		say("it took none of that")
	case NoACK:
		say("it asked %s for %s and got no answer", a.request.Server, a.request.Address)
	case RefusedAddress:
		reason := ""
		if a.nak.Status != "" {
			reason = " (" + a.nak.Status + ")"
		}
		say("%s refused it the address%s", a.nak.Server, reason)
	case NoBootFile:
		say("%s gave it %s and named no boot file", a.ack.Server, a.ack.Address)
		for _, o := range a.offers {
			if o.Server != a.ack.Server {
				say("%s, which it did not take", o.offered())
			}
		}
	case NotFetched, Fetched:
		if a.ack != nil {
			say("%s", a.given())
		}
		say("%s", a.fetchText())
	}
	return strings.Join(parts, ", ")
}

func (a *attempt) name() string {
	name := "the guest"
	switch a.client {
	case IPXE:
		name = "iPXE"
	case Firmware:
		name = "the firmware"
	case Ordinary:
		name = "an operating system"
	}
	if a.v6 {
		name += " with DHCPv6"
	}
	return name
}

// given is the address and the boot file, which may be of two servers.
func (a *attempt) given() string {
	address := fmt.Sprintf("%s gave it %s", a.ack.Server, a.ack.Address)
	if a.boot.Server == a.ack.Server {
		return fmt.Sprintf("%s and the boot file %s", address, a.boot.bootText())
	}
	return fmt.Sprintf("%s, %s the boot file %s", address, a.boot.Server, a.boot.bootText())
}

// offered is an offer that came to nothing.
func (e Event) offered() string {
	if !e.boots {
		return fmt.Sprintf("%s offered no boot file", e.Server)
	}
	return fmt.Sprintf("%s offered %s", e.Server, e.bootText())
}

func (e Event) bootText() string {
	if e.BootFile == "" {
		return "of a menu or a disk in the network"
	}
	return bootfile.URL(e.BootFile, e.NextServer)
}

// fetchText is how far the client got with the files.
func (a *attempt) fetchText() string {
	fetched := ""
	if a.files > 0 {
		fetched = fmt.Sprintf("it fetched %s", files(a.files))
	}
	trouble := ""
	switch {
	case a.open != nil:
		trouble = "no answer to: " + a.open.Text
	case a.result == nil:
		trouble = "it did not ask for it"
	case a.result.Kind == TLS:
		trouble = a.result.Text
	case a.result.arrived():
		if a.files == 1 {
			return fmt.Sprintf("it fetched %s from %s", a.result.File, a.result.Server)
		}
		return fmt.Sprintf("%s, the last %s from %s", fetched, a.result.File, a.result.Server)
	default:
		trouble = "then: " + a.result.Text
	}
	if fetched == "" {
		return strings.TrimPrefix(trouble, "then: ")
	}
	return fetched + ", " + trouble
}

func files(n int) string {
	if n == 1 {
		return "a file"
	}
	return fmt.Sprintf("%d files", n)
}
