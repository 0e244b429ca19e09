package cli

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/internal/probe"
)

func TestDescribeProbe(t *testing.T) {
	addr, subnet := netip.MustParseAddr, netip.MustParsePrefix
	report := probe.Report{
		Asked: []string{"02:76:6e:00:00:01", "fa:16:3e:50:43:cd"},
		Offers: []probe.Offer{
			{Client: probe.Ordinary, MAC: "fa:16:3e:50:43:cd", OpenStack: true, Server: addr("10.1.0.1"), Address: addr("10.1.0.3"), Subnet: subnet("10.1.0.0/24")},
			{Client: probe.IPXE, MAC: "02:76:6e:00:00:01", Server: addr("10.77.0.1"), Address: addr("10.77.0.100"), Subnet: subnet("10.77.0.0/24"), BootFile: "http://10.77.0.1/bios.ipxe", NextServer: addr("10.77.0.1")},
			{Client: probe.IPXE, MAC: "fa:16:3e:50:43:cd", Server: addr("10.77.0.1"), Address: addr("10.77.0.101"), BootFile: "/boot.ipxe", NextServer: addr("10.77.0.1")},
			{Client: probe.IPXE, MAC: "fa:16:3e:50:43:cd", Server: addr("10.77.0.7"), Address: addr("10.77.0.103"), RootPath: "iscsi:10.77.0.7::::iqn.2026-01.test:a"},
			{Client: probe.IPXE, MAC: "fa:16:3e:50:43:cd", Server: addr("10.77.0.8"), Address: addr("10.77.0.104"), BootMenu: true},
			{Client: probe.IPXE, MAC: "fa:16:3e:50:43:cd", Server: addr("10.77.0.6"), Proxy: true, BootFile: "http://10.77.0.6/boot.ipxe"},
			{Client: probe.IPXE, MAC: "fa:16:3e:50:43:cd", Server: addr("10.77.0.5"), Proxy: true},
			{Client: probe.IPXE, MAC: "fa:16:3e:50:43:cd", Server: addr("10.77.0.9"), Address: addr("10.77.0.102"), BootFile: "\x1b[2Jabc\nright: all is well"},
		},
		Findings: []probe.Finding{
			{Verdict: probe.Race, Text: "both answer", Do: "stop one"},
			{Verdict: probe.OneSubnet, Text: "one subnet with vm\x1b]0;1", Do: "use another\x9b"},
		},
	}
	want := `REQUEST   AS                 ANSWERED BY               OFFERS          BOOT FILE
ipxe      02:76:6e:00:00:01  10.77.0.1    tenant's     10.77.0.100/24  http://10.77.0.1/bios.ipxe
ordinary  02:76:6e:00:00:01  no server
ipxe      fa:16:3e:50:43:cd  10.77.0.1    tenant's     10.77.0.101     tftp://10.77.0.1/boot.ipxe
ipxe      fa:16:3e:50:43:cd  10.77.0.7    tenant's     10.77.0.103     iscsi:10.77.0.7::::iqn.2026-01.test:a
ipxe      fa:16:3e:50:43:cd  10.77.0.8    tenant's     10.77.0.104     PXE's menu
ipxe      fa:16:3e:50:43:cd  10.77.0.6    proxyDHCP    no address      http://10.77.0.6/boot.ipxe
ipxe      fa:16:3e:50:43:cd  10.77.0.5    proxyDHCP    no address      PXE's menu
ipxe      fa:16:3e:50:43:cd  10.77.0.9    tenant's     10.77.0.102     \x1b[2Jabc right: all is well
ordinary  fa:16:3e:50:43:cd  10.1.0.1     OpenStack's  10.1.0.3/24     none

race: both answer
  to do: stop one

one-subnet: one subnet with vm\x1b]0;1
  to do: use another\x9b
`
	if diff := cmp.Diff(want, string(describeProbe(report))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestDescribeProbeWithoutOpenStack: a server is nobody's there.
func TestDescribeProbeWithoutOpenStack(t *testing.T) {
	server := netip.MustParseAddr("192.0.2.1")
	got := string(describeProbe(probe.Report{
		Asked:       []string{"02:76:6e:00:00:01"},
		Offers:      []probe.Offer{{Client: probe.IPXE, MAC: "02:76:6e:00:00:01", Server: server, Address: server}},
		NoOpenStack: true,
	}))
	if strings.Contains(got, "tenant's") || strings.Contains(got, "OpenStack's") {
		t.Errorf("it names an owner:\n%s", got)
	}
}

// verdicts are all that package probe declares.
func verdicts(t *testing.T) []probe.Verdict {
	t.Helper()
	source, err := os.ReadFile("../probe/verdict.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []probe.Verdict
	for _, m := range regexp.MustCompile(`(?m)^\t\w+ Verdict = "(.*)"$`).FindAllStringSubmatch(string(source), -1) {
		all = append(all, probe.Verdict(m[1]))
	}
	if len(all) < 8 {
		t.Fatalf("only %q are found", all)
	}
	return all
}

// TestProbeHelp: every verdict that --json may return is explained.
func TestProbeHelp(t *testing.T) {
	help := newProbe().Long
	for _, v := range verdicts(t) {
		if !strings.Contains(help, fmt.Sprintf("\n  %-17s ", v)) {
			t.Errorf("%s is not explained", v)
		}
	}
	for line := range strings.Lines(help) {
		if len(line) > len("\n")+79 {
			t.Errorf("more than 79 columns: %s", line)
		}
	}
}

// TestOutcome: the exit statuses that probe --help promises.
func TestOutcome(t *testing.T) {
	special := map[probe.Verdict]int{probe.Right: exitOK, probe.Unknown: exitInput}
	for _, verdict := range verdicts(t) {
		want, ok := special[verdict]
		if !ok {
			want = exitFailure
		}
		err := outcome(verdict)
		if got := exitStatus(err); got != want {
			t.Errorf("%s: exit status %d, want %d", verdict, got, want)
		}
		if message := explained(err); (message != "") != (verdict == probe.Unknown) {
			t.Errorf("%s: %q is written besides the findings", verdict, message)
		}
	}
}
