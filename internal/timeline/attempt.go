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
	case Discover, Solicit, Request, RequestV6:
		a := t.latest(e.MAC, func(a *attempt) bool { return a.v6 == v6 })
		begins := (e.Kind == Discover || e.Kind == Solicit) && e.Again == 0
		// Who has had an address before may ask for it at once.
		if a == nil || a.client != e.Client || a.ack != nil && begins {
			a = t.begin(&attempt{mac: e.MAC, client: e.Client, v6: v6})
		}
		a.ask(e)
	case Offer, Advertise, ACK, ReplyV6, NAK:
		if a := t.latest(e.MAC, func(a *attempt) bool { return a.v6 == v6 }); a != nil {
			a.answer(e)
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

func (a *attempt) ask(e Event) {
	a.waits = true
	if e.Kind == Request || e.Kind == RequestV6 {
		a.request = &e
	} else {
		a.asked++
	}
}

func (a *attempt) answer(e Event) {
	switch e.Kind {
	case Offer, Advertise:
		same := func(o Event) bool { return o.Server == e.Server }
		const most = 10
		if len(a.offers) < most && !slices.ContainsFunc(a.offers, same) {
			a.offers = append(a.offers, e)
		}
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
	case DNSAnswer, TFTPSent, TFTPError, Accepted, Refused, Unreachable, HTTPResponse, TLS:
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

// fetched reports whether the last question was answered as it should be. What passes over
// TLS cannot be read, nor what a disk in the network sends.
func (a *attempt) fetched() bool {
	if a.open != nil || a.result == nil {
		return false
	}
	disk := a.boot != nil && a.boot.BootFile == ""
	return a.result.arrived() || a.result.Kind == TLS || disk && a.result.Kind == Accepted
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
		say("it asked %s for %s and got no answer", show(a.request.Server), show(a.request.Address))
	case RefusedAddress:
		reason := ""
		if a.nak.Status != "" {
			reason = " (" + a.nak.Status + ")"
		}
		say("%s refused it the address%s", a.nak.Server, reason)
	case NoBootFile:
		say("%s gave it %s and named no boot file", a.ack.Server, show(a.ack.Address))
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
	address := fmt.Sprintf("%s gave it %s", a.ack.Server, show(a.ack.Address))
	if a.boot.Server == a.ack.Server {
		return fmt.Sprintf("%s and %s", address, a.boot.bootText())
	}
	return fmt.Sprintf("%s, %s %s", address, a.boot.Server, a.boot.bootText())
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
		return "a disk or a menu in the network"
	}
	return "the boot file " + bootfile.URL(e.BootFile, e.NextServer)
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
