package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/e2e/network"
	"github.com/virt-netboot/virt-netboot/internal/testing/frames"
	"github.com/virt-netboot/virt-netboot/internal/timeline"
)

// traceSubnet is dhcpd's configuration for every client, with what a case adds.
const traceSubnet = `authoritative;
subnet 10.77.0.0 netmask 255.255.255.0 { %s range 10.77.0.100 10.77.0.199; }
`

// TestTrace boots real guests beside tcpdump: of what tcpdump has seen on a guest's tap,
// trace tells every message of a boot, at the same microsecond, and nothing else.
func TestTrace(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		var cases errgroup.Group
		cases.SetLimit(4) // they wait more than they work
		for i, tc := range []struct {
			name    string
			serve   func(t *testing.T, m network.Machine)
			twoNICs bool
			outcome timeline.Outcome
			text    []string
		}{
			{
				name:    "a script over HTTP, and what it fetches",
				serve:   traceServes(`filename "http://10.77.0.1/boot.ipxe";`),
				outcome: timeline.Fetched,
				text:    []string{"iPXE asked ", "10.77.0.1 gave it 10.77.0.100 and the boot file http://10.77.0.1/boot.ipxe", "it fetched 2 files, the last /hello?mac="},
			},
			{
				name:    "two interfaces",
				serve:   traceServes(`filename "http://10.77.0.1/boot.ipxe";`),
				twoNICs: true,
				outcome: timeline.Fetched,
				text:    []string{"no server answered; then it gave up. ", "it fetched 2 files"},
			},
			{
				name:    "no server answers",
				serve:   func(*testing.T, network.Machine) {},
				outcome: timeline.NoAnswer,
				text:    []string{"iPXE asked ", "no server answered; then it gave up"},
			},
			{
				name:    "no boot file",
				serve:   traceServes(""),
				outcome: timeline.NoBootFile,
				text:    []string{"10.77.0.1 gave it 10.77.0.100 and named no boot file; then it gave up"},
			},
			{
				name: "DHCPNAK",
				serve: traceServesText(`authoritative;
class "asks" { match if option dhcp-message-type = 1; }
subnet 10.77.0.0 netmask 255.255.255.0 { pool { allow members of "asks"; range 10.77.0.100 10.77.0.199; } }
`),
				outcome: timeline.RefusedAddress,
				text:    []string{"10.77.0.1 refused it the address"},
			},
			{
				name:    "TFTP without the file",
				serve:   traceServes(`next-server 10.77.0.1; filename "missing.kpxe";`),
				outcome: timeline.NotFetched,
				text:    []string{"the boot file tftp://10.77.0.1/missing.kpxe", "TFTP from 10.77.0.1: missing.kpxe: "},
			},
			{
				name:    "HTTP without the file",
				serve:   traceServes(`filename "http://10.77.0.1/missing.ipxe";`),
				outcome: timeline.NotFetched,
				text:    []string{"HTTP 404 File not found from 10.77.0.1 to GET /missing.ipxe"},
			},
		} {
			cases.Go(func() error {
				t.Run(tc.name, func(t *testing.T) {
					n := traceNetwork{l, i}
					m := n.open(t)
					tc.serve(t, m)
					traced := boot(t, n.l, n.document(t, tc.twoNICs), func(string) {})
					traced.check(t, tc.outcome, tc.text...)
				})
				return nil
			})
		}
		_ = cases.Wait()
	})
}

// TestTraceOVN is the same in an Open vSwitch whose OVN answers the instance itself.
func TestTraceOVN(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		startOVN(t, l, "dhcp", "sec")
		run(t, l, "ovs-vsctl", "del-port", filteredPort) // the guest has its place
		document := edit(t, traceNetwork{l, 0}.document(t, false), `<source bridge="brtrace0"/>`,
			`<source bridge="br-int"/><virtualport type="openvswitch"/>`)
		document = edit(t, document, "fa:16:3e:50:00:02", filteredMAC)
		traced := boot(t, l, document, func(tap string) {
			run(t, l, "ovs-vsctl", "set", "interface", tap, "external_ids:iface-id=guest")
			run(t, l, "ovn-nbctl", "--wait=hv", "sync")
		})
		traced.check(t, timeline.NoBootFile, "10.1.0.1 gave it "+ownAddress+" and named no boot file")
	})
}

func traceServes(options string) func(*testing.T, network.Machine) {
	return traceServesText(fmt.Sprintf(traceSubnet, options))
}

// traceServesText has a machine serve DHCP, HTTP and TFTP.
func traceServesText(conf string) func(*testing.T, network.Machine) {
	return func(t *testing.T, m network.Machine) {
		s, err := network.StartDHCPD(t.Context(), m.Name, "", conf)
		must(t, err)
		stopAfter(t, s)
		s, err = m.StartWeb(t.Context(), map[string]string{
			"boot.ipxe": "#!ipxe\nimgfetch http://10.77.0.1/hello?mac=${net0/mac}\nshell\n",
			"hello":     "hello\n",
		})
		must(t, err)
		stopAfter(t, s)
		s, err = m.StartTFTP(t.Context(), "/usr/lib/ipxe")
		must(t, err)
		stopAfter(t, s)
	}
}

// traceNetwork is the network of one case, by its number.
type traceNetwork struct {
	l *lab.Lab
	n int
}

func (n traceNetwork) open(t *testing.T) network.Machine {
	t.Helper()
	m := network.Machine{Name: fmt.Sprintf("trace%d", n.n), Bridge: fmt.Sprintf("brtrace%d", n.n), Device: "eth0", Address: tenantServer}
	must(t, n.l.AddBridge(t.Context(), m.Bridge))
	must(t, n.l.AddBridge(t.Context(), m.Bridge+"b")) // of the first of two interfaces
	must(t, m.Add(t.Context(), n.l))
	return m
}

// document is an instance that tries its interfaces and then its disk.
func (n traceNetwork) document(t *testing.T, twoNICs bool) string {
	const nic = `<interface type="bridge"><mac address="fa:16:3e:50:%02x:%02x"/><model type="virtio"/><source bridge="%s"/><boot order="%d"/></interface>`
	bridge := fmt.Sprintf("brtrace%d", n.n)
	nics := fmt.Sprintf(nic, n.n, 2, bridge, 2)
	if twoNICs {
		nics = fmt.Sprintf(nic, n.n, 1, bridge+"b", 1) + nics
	}
	d := edit(t, network.Instance, `<boot dev="hd"/>`, "")
	d = strings.ReplaceAll(d, "5f0c006c", fmt.Sprintf("5f0c006%d", n.n))
	d = strings.ReplaceAll(d, "0000006c", fmt.Sprintf("0000006%d", n.n))
	from, to := strings.Index(d, "<interface"), strings.Index(d, "</interface>")+len("</interface>")
	d = d[:from] + nics + d[to:]
	return edit(t, d, `<target dev="vda" bus="virtio"/>`, `<target dev="vda" bus="virtio"/><boot order="3"/>`)
}

// traced is what trace told of a boot and what tcpdump has of it, one line each.
type traced struct {
	events, tcpdump []string
	kept            []string // by --pcap, as tcpdump reads it
	verdict         timeline.Verdict
}

func (got traced) check(t *testing.T, outcome timeline.Outcome, text ...string) {
	t.Helper()
	if diff := cmp.Diff(got.tcpdump, got.events); diff != "" {
		t.Errorf("-tcpdump +trace:\n%s", diff)
	}
	if diff := cmp.Diff(got.events, got.kept); diff != "" {
		t.Errorf("-trace +its file:\n%s", diff)
	}
	if len(got.events) == 0 {
		t.Error("nothing was seen")
	}
	if got.verdict.Outcome != outcome || got.verdict.End != timeline.Quiet {
		t.Errorf("the verdict is %+v, want %s", got.verdict, outcome)
	}
	for _, text := range text {
		if !strings.Contains(got.verdict.Text, text) {
			t.Errorf("the verdict lacks %q: %s", text, got.verdict.Text)
		}
	}
}

// boot boots a guest while trace and tcpdump listen on its taps, each of which is made
// ready before.
func boot(t *testing.T, l *lab.Lab, document string, ready func(tap string)) traced {
	t.Helper()
	g := storyGuest(t, l, document)
	virsh(t, l, "create", "--paused", g.File)
	t.Cleanup(func() { _, _ = l.Virsh(context.Background(), "destroy", g.Name) }) // it may have gone
	dumps := map[string]*background{}
	var macs []string
	dir := t.TempDir()
	for _, nic := range dumpxml(t, l, g.Name).Devices.Interfaces {
		tap := nic.Target.Dev
		ready(tap)
		macs = append(macs, nic.MAC.Address)
		dumps[tap] = start(t, "listening on", "tcpdump", "-i", tap, "-U", "--immediate-mode", "-Z", "root", "-w", filepath.Join(dir, tap))
	}
	kept := filepath.Join(dir, "kept")
	program := filepath.Join(os.Getenv("VIRT_NETBOOT_BIN"), "virt-netboot")
	trace := start(t, "tracing ", program, "trace", "--json", "--pcap", kept, g.Name)
	virsh(t, l, "resume", g.Name)
	trace.wait(t, 3*time.Minute)
	ended := time.Now()
	var got traced
	for line := range strings.Lines(trace.stdout.String()) {
		if strings.HasPrefix(line, `{"verdict":`) {
			must(t, json.Unmarshal([]byte(line), &got.verdict))
			continue
		}
		var e timeline.Event
		must(t, json.Unmarshal([]byte(line), &e))
		got.events = append(got.events, asTcpdump(e))
	}
	for tap, dump := range dumps {
		must(t, dump.cmd.Process.Signal(os.Interrupt))
		dump.wait(t, 10*time.Second)
		if !strings.Contains(dump.stderr.String(), "\n0 packets dropped by kernel") {
			t.Errorf("tcpdump has lost some: %s", dump.stderr.String())
		}
		seen, _ := tcpdumpEvents(t, l, filepath.Join(dir, tap), ended, macs)
		got.tcpdump = append(got.tcpdump, seen...)
	}
	var others int
	got.kept, others = tcpdumpEvents(t, l, kept, ended, macs)
	if others > 0 {
		t.Errorf("of the frames that trace kept, %d are of others", others)
	}
	slices.Sort(got.events)
	slices.Sort(got.tcpdump)
	slices.Sort(got.kept)
	t.Logf("%s\n%s", got.verdict.Text, strings.Join(got.events, "\n"))
	return got
}

// TestTraceWaits traces a domain from before its start, as a user with CAP_NET_RAW alone,
// until Ctrl-C or until the guest is stopped; and says what it cannot trace.
func TestTraceWaits(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		n := traceNetwork{l, 0}
		n.open(t)
		g := storyGuest(t, l, n.document(t, false))
		virsh(t, l, "define", g.File)
		dir := serverDir(t) // which others may write to, too
		program := filepath.Join(os.Getenv("VIRT_NETBOOT_BIN"), "virt-netboot")
		must(t, os.Chmod("/run/libvirt/libvirt-sock", 0o777))

		for end, stop := range map[timeline.End]func(*exec.Cmd){
			timeline.Interrupted: func(cmd *exec.Cmd) { must(t, cmd.Process.Signal(os.Interrupt)) },
			timeline.Stopped:     func(*exec.Cmd) { virsh(t, l, "destroy", g.Name) },
		} {
			kept := filepath.Join(dir, string(end))
			command := unprivileged(",+net_raw", []string{program, "trace", "--json", "--pcap", kept, g.Name})
			trace := start(t, g.Name+" is shut off: waiting for its start", command...)
			virsh(t, l, "start", g.Name)
			awaitGuest(t, func() error {
				if !strings.Contains(trace.stdout.String(), `"event":"dhcp-discover"`) {
					return fmt.Errorf("no DHCPDISCOVER yet: %s%s", trace.stdout.String(), trace.stderr.String())
				}
				return nil
			})
			stop(trace.cmd)
			trace.wait(t, 30*time.Second)
			lines := strings.Split(strings.TrimSpace(trace.stdout.String()), "\n")
			var v timeline.Verdict
			must(t, json.Unmarshal([]byte(lines[len(lines)-1]), &v))
			if status := trace.cmd.ProcessState.ExitCode(); v.End != end || v.Outcome != timeline.NoAnswer || status != 1 {
				t.Errorf("exit status %d, %+v; want %s", status, v, end)
			}
			if info, err := os.Stat(kept); err != nil || info.Mode() != 0o600 {
				t.Errorf("%s: %v, %v", kept, info, err)
			}
			if text := run(t, l, "tcpdump", "-n", "-r", kept); !strings.Contains(text, "BOOTP/DHCP, Request") {
				t.Errorf("tcpdump of what was kept: %s", text)
			}
			_, _ = l.Virsh(t.Context(), "destroy", g.Name) // unless it is so
			for why, command := range map[string][]string{
				"is there already":             command,
				"the trace lacks CAP_NET_RAW ": unprivileged("", []string{program, "trace", g.Name}),
			} {
				if status, _, stderr := runProbe(t, command); status != 2 || !strings.Contains(stderr, why) {
					t.Errorf("exit status %d, %s; want %q", status, stderr, why)
				}
			}
		}
		n.cannotTrace(t, program)
	})
}

// cannotTrace traces a guest with user networking, and does what it is told to do instead.
func (n traceNetwork) cannotTrace(t *testing.T, program string) {
	n.n++
	document := n.document(t, false)
	document = strings.Replace(edit(t, document, `<interface type="bridge">`, `<interface type="user">`), fmt.Sprintf(`<source bridge="brtrace%d"/>`, n.n), "", 1)
	g := storyGuest(t, n.l, document)
	virsh(t, n.l, "create", g.File)
	status, _, stderr := runProbe(t, []string{program, "trace", g.Name})
	advice := regexp.MustCompile(`virsh (qemu-monitor-command .* --hmp) '(.*file=(.*))'`).FindStringSubmatch(stderr)
	if status != 2 || advice == nil {
		t.Fatalf("exit status %d, %s", status, stderr)
	}
	virsh(t, n.l, append(strings.Fields(advice[1]), advice[2])...)
	awaitGuest(t, func() error {
		all, err := frames.Read(advice[3])
		if err == nil && len(all) == 0 {
			err = errors.New("no frames yet")
		}
		return err
	})
}

// background is a program that runs beside the test.
type background struct {
	cmd            *exec.Cmd
	stdout, stderr safeBuffer
}

type safeBuffer struct {
	mutex sync.Mutex
	bytes bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.bytes.Write(p)
}

func (b *safeBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.bytes.String()
}

// start starts a program, and returns once its standard error has a text.
func start(t *testing.T, ready string, command ...string) *background {
	t.Helper()
	b := &background{cmd: exec.Command(command[0], command[1:]...)}
	b.cmd.Stdout, b.cmd.Stderr = &b.stdout, &b.stderr
	must(t, b.cmd.Start())
	t.Cleanup(func() { _ = b.cmd.Process.Kill() })
	await(t, func() error {
		if !strings.Contains(b.stderr.String(), ready) {
			return fmt.Errorf("%s: no %q yet: %s", strings.Join(command, " "), ready, b.stderr.String())
		}
		return nil
	})
	return b
}

// wait waits for the program's end, with any exit status.
func (b *background) wait(t *testing.T, limit time.Duration) {
	t.Helper()
	timer := time.AfterFunc(limit, func() { _ = b.cmd.Process.Kill() })
	err := b.cmd.Wait()
	var exit *exec.ExitError
	if !timer.Stop() || err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v after %s:\n%s%s", strings.Join(b.cmd.Args, " "), err, limit, b.stdout.String(), b.stderr.String())
	}
}

// asTcpdump is an event in the words that tcpdumpEvents has for it, with its time in
// microseconds.
func asTcpdump(e timeline.Event) string {
	at := fmt.Sprintf("%d.%06d %s", e.Time.Unix(), e.Time.Nanosecond()/1000, e.Kind)
	switch e.Kind {
	case timeline.Discover, timeline.Request:
		return fmt.Sprintf("%s %s %s of %s", at, e.VendorClass, show(e.Address), show(e.Server))
	case timeline.Offer, timeline.ACK, timeline.NAK:
		return fmt.Sprintf("%s %s by %s boot %s", at, show(e.Address), show(e.Server), e.BootFile)
	case timeline.ARPRequest, timeline.ARPReply:
		return fmt.Sprintf("%s %s", at, e.Address)
	case timeline.TFTPRequest, timeline.HTTPRequest:
		return fmt.Sprintf("%s %s", at, e.File)
	case timeline.TFTPError, timeline.HTTPResponse:
		return fmt.Sprintf("%s %s", at, e.Status)
	}
	return at
}

// show is an address, or nothing.
func show(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// tcpdumpKinds are what tcpdump's text about a frame must have for a kind of event. What
// is in parentheses, of all of the patterns, belongs to the event.
var tcpdumpKinds = []struct {
	kind timeline.Kind
	text *regexp.Regexp
}{
	{timeline.ARPRequest, regexp.MustCompile(`Request who-has (\S+) `)},
	{timeline.ARPReply, regexp.MustCompile(`Reply (\S+) is-at`)},
	{timeline.RouterAsk, regexp.MustCompile(`ICMP6, router solicitation`)},
	{timeline.TFTPRequest, regexp.MustCompile(`TFTP, length \d+, RRQ "(.*?)"`)},
	{timeline.TFTPError, regexp.MustCompile(`TFTP, length \d+, ERROR .*? "(.*?)"`)},
	{timeline.Connect, regexp.MustCompile(`Flags \[S\],`)},
	{timeline.Accepted, regexp.MustCompile(`Flags \[S\.\],`)},
	{timeline.HTTPRequest, regexp.MustCompile(`HTTP, length: \d+\n\s+GET (\S+) HTTP/1\.1`)},
	{timeline.HTTPResponse, regexp.MustCompile(`HTTP, length: \d+\n\s+HTTP/1\.\d (.*)`)},
}

// tcpdumpEvents are the events of a boot up to a time that tcpdump prints of a file, and
// how many frames are not of the instance with the MAC addresses.
func tcpdumpEvents(t *testing.T, l *lab.Lab, file string, until time.Time, macs []string) (events []string, others int) {
	t.Helper()
	const tftp = "udp and not port 67 and not port 68"
	text := run(t, l, "tcpdump", "-n", "-e", "-v", "-tt", "-r", file, "not ("+tftp+")") +
		run(t, l, "tcpdump", "-n", "-e", "-v", "-tt", "-T", "tftp", "-r", file, tftp)
	given := "no address yet"
	for _, frame := range regexp.MustCompile(`(?m)^\d+\.\d+ .*\n(?:\s.*\n)*`).FindAllString(text, -1) {
		own := slices.ContainsFunc(macs, func(mac string) bool {
			header, _, _ := strings.Cut(frame, ", ")
			return strings.Contains(header, mac) || strings.Contains(frame, "Client-Ethernet-Address "+mac)
		})
		if a := find(frame, `Your-IP (\S+)`); own && a != "" {
			given = a
		}
		at := find(frame, `^(\S+)`)
		switch {
		case !own && !strings.Contains(frame, "who-has "+given+" "):
			others++
		case at > fmt.Sprintf("%d.%06d", until.Unix(), until.Nanosecond()/1000):
		default:
			events = append(events, tcpdumpEvent(at, frame)...)
		}
	}
	return events, others
}

// tcpdumpEvent is the event of a frame, if it is one.
func tcpdumpEvent(at, frame string) []string {
	if kind := find(frame, `DHCP-Message \(53\), length 1: (\S+)`); kind != "" {
		at += " dhcp-" + strings.Replace(strings.ToLower(kind), "nack", "nak", 1) // tcpdump calls it so
		server := find(frame, `Server-ID \(54\), length 4: (\S+)`)
		if kind == "Discover" || kind == "Request" {
			return []string{fmt.Sprintf("%s %s %s of %s", at, find(frame, `Vendor-Class \(60\), length \d+: "(.*)"`),
				find(frame, `Requested-IP \(50\), length 4: (\S+)`), server)}
		}
		boot := find(frame, `file "(.*)"`)
		return []string{fmt.Sprintf("%s %s by %s boot %s", at, find(frame, `Your-IP (\S+)`), server, boot)}
	}
	for _, k := range tcpdumpKinds {
		if m := k.text.FindStringSubmatch(frame); m != nil {
			return []string{strings.TrimSpace(fmt.Sprintf("%s %s %s", at, k.kind, strings.Join(m[1:], " ")))}
		}
	}
	return nil
}

// find is what a pattern has in parentheses.
func find(text, pattern string) string {
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return m[1]
}
