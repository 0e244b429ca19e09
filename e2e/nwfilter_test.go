package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/internal/port"
	"github.com/virt-netboot/virt-netboot/packaging/nwfilter"
)

const (
	novaMask = "255.255.255.0"
	// filteredPort is the port whose filter is tested, with the guest behind it;
	// at the other one there is no filter.
	filteredPort, guestEnd = "tapguest", "guest"
	otherPort, otherEnd    = "tapother", "other"
)

// filterParams are what Nova writes into <filterref>.
type filterParams map[string]string

// filterCase is an nwfilter with parameters, and the column of its results.
type filterCase struct {
	column, filter string
	params         filterParams
}

func relaxedCases(name string) []filterCase {
	return []filterCase{
		{"relaxed", name, filterParams{"IP": ownAddress, "DHCPSERVER": novaServer, "PROJNET": novaSubnet, "PROJMASK": novaMask}},
		{"relaxed, without PROJNET", name, filterParams{"IP": ownAddress, "DHCPSERVER": novaServer}},
		{"relaxed, without parameters", name, nil},
	}
}

// TestNWFilters has libvirt put filters on a port and sends frames through it, both
// ways. The table in docs/security.md says which pass.
func TestNWFilters(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		addFilteredPort(t, l)
		defineRelaxed(t, l, nwfilter.Relaxed, func(rules string) string { return rules })
		must(t, l.DefineFilter(t.Context(), "nova-base"))
		cases := append([]filterCase{{"none", "", nil}}, relaxedCases(nwfilter.Relaxed)...)
		cases = append(cases,
			filterCase{"nova-base", "nova-base", cases[1].params},
			filterCase{"clean-traffic", "clean-traffic", cases[1].params})
		root, err := lab.Root()
		must(t, err)
		page, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
		must(t, err)
		got := passTable(t, l, cases)
		if !strings.Contains(string(page), got) {
			t.Errorf("docs/security.md has not the table that was measured (-page +measured):\n%s", cmp.Diff(strings.Split(firstTable(string(page)), "\n"), strings.Split(got, "\n")))
		}
	})
}

// firstTable is the table in a page whose first column are frames.
func firstTable(page string) string {
	return regexp.MustCompile(`(?m)^\| frame .*\n(\|.*\n)+`).FindString(page)
}

// TestRelaxedRules removes each rule from the filter that is shipped: every rule is
// needed, and the test above notices each.
func TestRelaxedRules(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		addFilteredPort(t, l)
		defineRelaxed(t, l, nwfilter.Relaxed, func(rules string) string { return rules })
		whole := passTable(t, l, relaxedCases(nwfilter.Relaxed))
		rule := regexp.MustCompile(`(?s)<rule .*?</rule>`)
		number := 0
		for ; ; number++ {
			var taken string
			name := fmt.Sprintf("without-%d", number)
			defineRelaxed(t, l, name, func(rules string) string {
				if all := rule.FindAllStringIndex(rules, -1); number < len(all) {
					taken = rules[all[number][0]:all[number][1]]
					return rules[:all[number][0]] + rules[all[number][1]:]
				}
				return rules
			})
			if taken == "" {
				break
			}
			if passTable(t, l, relaxedCases(name)) == whole {
				t.Errorf("every frame fares as before without\n%s", taken)
			}
		}
		if number < 5 {
			t.Errorf("the filter has %d rules: this test tests nothing", number)
		}
	})
}

// addFilteredPort makes a bridge, with the guest and another machine in it, that
// sends every frame to every port.
func addFilteredPort(t *testing.T, l *lab.Lab) {
	t.Helper()
	must(t, l.AddBridge(t.Context(), novaBridge))
	ip(t, l, "link set %s type bridge ageing_time 0", novaBridge)
	for end, port := range map[string]string{guestEnd: filteredPort, otherEnd: otherPort} {
		ip(t, l, "link add %s type veth peer name %s", port, end)
		ip(t, l, "link set %s master %s up", port, novaBridge)
		ip(t, l, "link set %s up", end)
	}
}

// defineRelaxed defines the filter that is shipped, under a name and with its rules
// changed.
func defineRelaxed(t *testing.T, l *lab.Lab, name string, change func(rules string) string) {
	t.Helper()
	filters, err := nwfilter.Shipped(nwfilter.Relaxed)
	must(t, err)
	uuid := regexp.MustCompile("<uuid>.*</uuid>")
	for _, f := range filters {
		xml := strings.ReplaceAll(change(f.XML), nwfilter.Relaxed, name)
		virsh(t, l, "nwfilter-define", writeFile(t, f.Name, uuid.ReplaceAllString(xml, "")))
	}
}

// passTable sends every frame with each filter in turn and returns what passed.
func passTable(t *testing.T, l *lab.Lab, cases []filterCase) string {
	t.Helper()
	var passed []map[string]bool
	header, line := "| frame |", "|---|"
	for _, c := range cases {
		header, line = header+" "+c.column+" |", line+"---|"
		passed = append(passed, measure(t, l, c))
	}
	table := header + "\n" + line + "\n"
	for _, f := range append(prefixed("from the guest: ", framesOfGuest(t)), prefixed("to the guest: ", framesToGuest(t))...) {
		table += "| " + f.name + " |"
		for _, p := range passed {
			table += map[bool]string{true: " passes |", false: " – |"}[p[f.name]]
		}
		table += "\n"
	}
	return table
}

func prefixed(prefix string, frames []filterFrame) []filterFrame {
	for i := range frames {
		frames[i].name = prefix + frames[i].name
	}
	return frames
}

// measure returns the names of the frames that pass a filter.
func measure(t *testing.T, l *lab.Lab, c filterCase) map[string]bool {
	t.Helper()
	if c.filter != "" {
		bindFilter(t, l, filteredPort, filteredMAC, c.filter, c.params)
		defer virsh(t, l, "nwfilter-binding-delete", filteredPort)
	}
	passed := map[string]bool{}
	defer func() { checkJudged(t, c, passed) }()
	through(t, guestEnd, otherEnd, prefixed("from the guest: ", framesOfGuest(t)), lastOfGuest(t), passed)
	through(t, otherEnd, guestEnd, prefixed("to the guest: ", framesToGuest(t)), lastToGuest(t), passed)
	return passed
}

// checkJudged compares what happened to each frame with what the rules on the port say.
func checkJudged(t *testing.T, c filterCase, passed map[string]bool) {
	t.Helper()
	rules, err := port.ReadRules(t.Context())
	must(t, err)
	check := func(frames []filterFrame, in, out string) {
		for _, f := range frames {
			verdict, rule, err := rules.Pass(f.bytes, novaBridge, in, out)
			must(t, err)
			if want := map[bool]port.Verdict{true: port.Passes, false: port.Dropped}[passed[f.name]]; verdict != want {
				t.Errorf("%s, %s: by the rules it %s (%s), measured: %s", c.column, f.name, verdict, rule, want)
			}
		}
	}
	check(prefixed("from the guest: ", framesOfGuest(t)), filteredPort, otherPort)
	check(prefixed("to the guest: ", framesToGuest(t)), otherPort, filteredPort)
}

// bindFilter puts a filter on a port, as libvirt does for a domain's <filterref> when
// that starts.
func bindFilter(t *testing.T, l *lab.Lab, port, mac, filter string, params filterParams) {
	t.Helper()
	virsh(t, l, "nwfilter-binding-create", bindingFile(t, port, mac, filter, params))
}

func bindingFile(t *testing.T, port, mac, filter string, params filterParams) string {
	t.Helper()
	var text strings.Builder
	for name, value := range params {
		fmt.Fprintf(&text, "<parameter name='%s' value='%s'/>", name, value)
	}
	return writeFile(t, "binding.xml", fmt.Sprintf(`<filterbinding>
  <owner><name>guest</name><uuid>6f2c1d80-6b0e-4d4a-9a53-1f0b5f0c006c</uuid></owner>
  <portdev name='%s'/>
  <mac address='%s'/>
  <filterref filter='%s'>%s</filterref>
</filterbinding>`, port, mac, filter, &text))
}

// through sends frames from one end to the other, and last of all one that passes
// every filter: what has not come before that one never comes.
func through(t *testing.T, from, to string, frames []filterFrame, last []byte, passed map[string]bool) {
	t.Helper()
	// On one processor a frame does not overtake another.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, one unix.CPUSet
	must(t, unix.SchedGetaffinity(0, &all))
	cpu := 0
	for !all.IsSet(cpu) {
		cpu++
	}
	one.Set(cpu)
	must(t, unix.SchedSetaffinity(0, &one))
	defer unix.SchedSetaffinity(0, &all)

	sender, receiver := rawConn(t, from), rawConn(t, to)
	defer sender.Close()
	defer receiver.Close()
	for _, f := range append(frames, newFrame("", last)) {
		_, err := sender.WriteTo(f.bytes, &packet.Addr{HardwareAddr: f.bytes[:6]})
		must(t, err)
	}
	must(t, receiver.SetReadDeadline(time.Now().Add(30*time.Second)))
	for buffer := make([]byte, 2048); ; {
		n, _, err := receiver.ReadFrom(buffer)
		if err != nil {
			t.Fatalf("waiting for the frame that passes every filter: %v", err)
		}
		if bytes.Equal(buffer[:n], last) {
			return
		}
		for _, f := range frames {
			if bytes.Equal(buffer[:n], f.received) {
				passed[f.name] = true
			}
		}
	}
}

func rawConn(t *testing.T, device string) *packet.Conn {
	t.Helper()
	link, err := net.InterfaceByName(device)
	must(t, err)
	conn, err := packet.Listen(link, packet.Raw, unix.ETH_P_ALL, nil)
	must(t, err)
	return conn
}
