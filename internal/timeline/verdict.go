package timeline

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Outcome is how a network boot went.
type Outcome string

const (
	Fetched        Outcome = "fetched"      // the client was given a boot file and has got all that it asked for
	NotFetched     Outcome = "not-fetched"  // it was given one and has not got it, or not what followed
	NoBootFile     Outcome = "no-boot-file" // it has an address, and nothing to boot
	RefusedAddress Outcome = "refused"      // DHCPNAK
	NoACK          Outcome = "no-ack"       // the request for an offered address was not answered
	NotTaken       Outcome = "not-taken"    // no offer was good enough
	NoAnswer       Outcome = "no-answer"    // no server offered anything
	NoRequest      Outcome = "no-request"   // the guest asked for nothing
)

// Outcomes returns all of them, the best first.
func Outcomes() []Outcome {
	return []Outcome{Fetched, NotFetched, NoBootFile, RefusedAddress, NoACK, NotTaken, NoAnswer, NoRequest}
}

// End is why a trace ended.
type End string

const (
	Quiet       End = "quiet"       // the boot was over: see Over
	Stopped     End = "stopped"     // the interfaces went, as when the guest is shut off
	Interrupted End = "interrupted" // by a signal
	Timeout     End = "timeout"
)

// Verdict is what became of a boot.
type Verdict struct {
	// Outcome is the best of the interfaces'.
	Outcome Outcome `json:"verdict"`
	Text    string  `json:"text"`
	End     End     `json:"end"`
	// Lost is how many frames the kernel had no room for: events may be missing.
	Lost       int         `json:"lost,omitempty"`
	Interfaces []Interface `json:"interfaces"`
}

// Interface is what became of one interface's boot.
type Interface struct {
	Device  string  `json:"interface"`
	MAC     string  `json:"mac"`
	Outcome Outcome `json:"verdict"`
	Text    string  `json:"text"`
}

// How long nothing of a boot passes until it is over. After an answer, iPXE takes up to 13
// seconds to look for a router of IPv6, and the firmware then goes on to the next
// interface. After a question, UEFI's PXE waits up to 32 seconds for an offer (EDK2's
// PxeBcDhcp4.c, mPxeDhcpTimeout). An operating system's request ends a boot.
const (
	quietAfterAnswer   = 20 * time.Second
	quietAfterQuestion = 40 * time.Second
	quietAfterOrdinary = 3 * time.Second
)

// Over reports whether the boot is over.
func (t *Timeline) Over(now time.Time) bool {
	var last time.Time
	for _, w := range t.wires {
		if w.last.After(last) {
			last = w.last
		}
	}
	if last.IsZero() {
		return false
	}
	quiet := quietAfterAnswer
	if len(t.attempts) > 0 {
		switch a := t.attempts[len(t.attempts)-1]; {
		case a.client == Ordinary:
			quiet = quietAfterOrdinary
		case a.pending():
			quiet = quietAfterQuestion
		}
	}
	return now.Sub(last) >= quiet
}

// Verdict judges the boot of the instance's interfaces.
func (t *Timeline) Verdict(end End, lost int) Verdict {
	v := Verdict{Outcome: NoRequest, End: end, Lost: lost, Interfaces: []Interface{}}
	var texts []string
	for _, w := range t.wires {
		i := t.judge(w, end)
		v.Interfaces = append(v.Interfaces, i)
		if slices.Index(Outcomes(), i.Outcome) < slices.Index(Outcomes(), v.Outcome) {
			v.Outcome = i.Outcome
		}
		text := i.Text
		if len(t.wires) > 1 {
			text = i.MAC + ": " + text
		}
		texts = append(texts, text)
	}
	v.Text = strings.Join(texts, ". ")
	if lost > 0 {
		v.Text += fmt.Sprintf(". %d frames were lost on the way to this program, so that events may be missing", lost)
	}
	return v
}

func (t *Timeline) judge(w *wire, end End) Interface {
	i := Interface{Device: w.device, MAC: w.mac, Outcome: NoRequest}
	var texts []string
	var client Client
	for _, a := range t.attempts {
		if a.mac != w.mac {
			continue
		}
		if a.client == Ordinary {
			texts = append(texts, "an operating system asked for an address")
			continue
		}
		if a.client != client || slices.Index(Outcomes(), a.outcome()) < slices.Index(Outcomes(), i.Outcome) {
			client, i.Outcome = a.client, a.outcome()
		}
		texts = append(texts, a.String())
	}
	i.Text = strings.Join(texts, "; then ")
	switch {
	case texts == nil:
		i.Text = "the guest asked for nothing"
	case i.Outcome == NoRequest:
		i.Text += ", and nothing asked for a network boot before"
	case i.Outcome != Fetched && end == Quiet && t.latest(w.mac, isOrdinary) == nil:
		i.Text += "; then it gave up"
	}
	switch end {
	case Stopped:
		i.Text += "; the guest was stopped"
	case Interrupted:
		i.Text += "; the trace was interrupted"
	case Timeout:
		i.Text += "; the trace had no more time"
	}
	return i
}

func isOrdinary(a *attempt) bool { return a.client == Ordinary }
