package cli

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/internal/timeline"
	"github.com/virt-netboot/virt-netboot/internal/trace"
)

// TestTracePrinter: a person reads aligned lines without control characters, a program an
// object a line; what is no event goes to standard error.
func TestTracePrinter(t *testing.T) {
	mac := net.HardwareAddr{0xfa, 0x16, 0x3e, 0, 0, 1}
	events := []timeline.Event{
		{Time: time.Unix(0, 0).UTC(), Seconds: 0.25, Device: "tap0", MAC: mac.String(), Kind: timeline.Discover, Client: timeline.IPXE, Text: "DHCPDISCOVER"},
		{Time: time.Unix(12, 0).UTC(), Seconds: 12, Device: "tap-long", MAC: mac.String(), Kind: timeline.HTTPRequest, Server: netip.MustParseAddr("10.0.0.1"), File: "/a?b&c", Text: "GET /a\x1b[2J"},
	}
	for _, tc := range []struct {
		json           bool
		stdout, stderr string
	}{
		{
			false, `    0.25 s  tap0      DHCPDISCOVER
   12.00 s  tap-long  GET /a\x1b[2J

no-answer: iPXE asked once
`,
			`vm is shut off: waiting for its start, Ctrl-C ends it
tracing fa:16:3e:00:00:01 on tap0
tracing fa:16:3e:00:00:01 on tap-long
not tracing fa:16:3e:00:00:02: it has no device
`,
		},
		{
			true, `{"time":"1970-01-01T00:00:00Z","seconds":0.25,"interface":"tap0","mac":"fa:16:3e:00:00:01","event":"dhcp-discover","client":"ipxe","text":"DHCPDISCOVER"}
{"time":"1970-01-01T00:00:12Z","seconds":12,"interface":"tap-long","mac":"fa:16:3e:00:00:01","event":"http-request","server":"10.0.0.1","file":"/a?b&c","text":"GET /a\u001b[2J"}
{"verdict":"no-answer","text":"iPXE asked once","end":"quiet","interfaces":[]}
`,
			`vm is shut off: waiting for its start, Ctrl-C ends it
tracing fa:16:3e:00:00:01 on tap0
tracing fa:16:3e:00:00:01 on tap-long
not tracing fa:16:3e:00:00:02: it has no device
`,
		},
	} {
		var stdout, stderr bytes.Buffer
		p := tracePrinter{domain: "vm", stdout: &stdout, stderr: &stderr, json: tc.json}
		p.waiting()
		p.started([]timeline.NIC{{Device: "tap0", MAC: mac}, {Device: "tap-long", MAC: mac}}, []trace.Skipped{{MAC: "fa:16:3e:00:00:02", Why: "it has no device"}})
		for _, e := range events {
			if err := p.event(e); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.verdict(timeline.Verdict{Outcome: timeline.NoAnswer, Text: "iPXE asked once", End: timeline.Quiet, Interfaces: []timeline.Interface{}}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.stdout, stdout.String()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if diff := cmp.Diff(tc.stderr, stderr.String()); diff != "" {
			t.Errorf("standard error, -want +got:\n%s", diff)
		}
	}
}

// TestManTrace: every verdict is explained in the manual page.
func TestManTrace(t *testing.T) {
	for _, o := range timeline.Outcomes() {
		if _, ok := terms(sections(manPage(t, "virt-netboot.8"), "###")["trace [--pcap FILE] [--timeout DURATION] [--json] DOMAIN"])["*"+string(o)+"*"]; !ok {
			t.Errorf("%s is not explained", o)
		}
	}
}
