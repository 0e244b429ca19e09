package port

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const tap, bridge = "tapguest", "br100"

func boot() Boot {
	return Boot{
		MAC:    net.HardwareAddr{0xfa, 0x16, 0x3e, 0x50, 0x43, 0xcd},
		Server: netip.MustParseAddr("10.77.0.1"), Lease: netip.MustParseAddr("10.77.0.100"),
		ServerMAC: net.HardwareAddr{0xfa, 0x16, 0x3e, 0, 0, 4},
	}
}

// verdicts are those of a boot's frames, and of a server's in the instance.
func verdicts(t *testing.T, ebtables, iptables, sets string) []Verdict {
	t.Helper()
	return verdictsAt(t, boot(), bridge, tap, ebtables, iptables, sets)
}

func verdictsAt(t *testing.T, b Boot, bridge, tap, ebtables, iptables, sets string) []Verdict {
	t.Helper()
	rules, err := ParseRules(ebtables, iptables, sets)
	if err != nil {
		t.Fatal(err)
	}
	frames, err := b.Frames()
	if err != nil {
		t.Fatal(err)
	}
	offer, err := b.Offer()
	if err != nil {
		t.Fatal(err)
	}
	var all []Verdict
	for _, f := range append(frames, offer) {
		in, out := tap, elsewhere
		if f.Direction == In {
			in, out = elsewhere, tap
		}
		v, _, err := rules.Pass(f.Bytes, bridge, in, out)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// TestNWFilterDumps judges the dumps of a libvirt that put a filter on a port.
func TestNWFilterDumps(t *testing.T) {
	for name, want := range map[string][]Verdict{
		"nova-base":     {Passes, Passes, Dropped, Dropped, Dropped},
		"clean-traffic": {Passes, Passes, Dropped, Dropped, Dropped},
		"relaxed":       {Passes, Passes, Passes, Passes, Passes},
	} {
		dump, err := os.ReadFile(filepath.Join("testdata", name+".ebtables"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, verdicts(t, string(dump), "", "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestNeutronDumps judges the dumps of a node of Neutron's Linux bridge agent, with port
// security on. What OpenStack's own DHCP server needs passes. The instance booted from it.
func TestNeutronDumps(t *testing.T) {
	var dumps []string
	for _, tool := range []string{"ebtables", "iptables", "ipset"} {
		dump, err := os.ReadFile(filepath.Join("testdata", "neutron-linuxbridge."+tool))
		if err != nil {
			t.Fatal(err)
		}
		dumps = append(dumps, string(dump))
	}
	for name, c := range map[string]struct {
		server, lease string
		want          []Verdict
	}{
		"OpenStack's": {"10.20.0.1", "10.20.0.4", []Verdict{Passes, Passes, Passes, Passes, Dropped}},
		"a tenant's":  {"10.77.0.1", "10.77.0.100", []Verdict{Passes, Dropped, Dropped, Dropped, Dropped}},
	} {
		b := boot()
		b.MAC = net.HardwareAddr{0xfa, 0x16, 0x3e, 0xa6, 0xac, 0x23}
		b.Server, b.Lease = netip.MustParseAddr(c.server), netip.MustParseAddr(c.lease)
		got := verdictsAt(t, b, "brqbe40d375-5e", "tap9c006bcf-9b", dumps[0], dumps[1], dumps[2])
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s DHCP server (-want +got):\n%s", name, diff)
		}
	}
}

// TestRules judges one rule each: DISCOVER, OFFER to the instance, ARP, IPv4, OFFER of
// the instance.
func TestRules(t *testing.T) {
	filter := func(rules string) string {
		return "*filter\n:FORWARD ACCEPT [0:0]\n:neutron-x - [0:0]\n" + rules + "\nCOMMIT\n"
	}
	nat := func(rules string) string { return "*nat\n:PREROUTING ACCEPT\n:user RETURN\n" + rules + "\n" }
	all, none := []Verdict{Passes, Passes, Passes, Passes, Passes}, []Verdict{Dropped, Dropped, Passes, Dropped, Dropped}
	for name, c := range map[string]struct {
		ebtables, iptables, sets string
		want                     []Verdict
	}{
		"no rule":                       {want: all},
		"a policy":                      {iptables: "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n", want: none},
		"another port":                  {iptables: filter("-A FORWARD -m physdev --physdev-in tapother -j DROP"), want: all},
		"a name's beginning":            {iptables: filter("-A FORWARD -m physdev --physdev-in tap+ -j DROP"), want: []Verdict{Dropped, Passes, Passes, Dropped, Dropped}},
		"not to the client":             {iptables: filter("-A FORWARD -p udp -m udp ! --dport 67 -j DROP"), want: []Verdict{Passes, Dropped, Passes, Dropped, Dropped}},
		"a list of ports":               {iptables: filter("-A FORWARD -p udp -m multiport --dports 60:66,69 -j DROP"), want: []Verdict{Passes, Passes, Passes, Dropped, Passes}},
		"in a set":                      {iptables: filter("-A FORWARD -m set --match-set NIPv4a src -j DROP"), sets: "create NIPv4a hash:net family inet\nadd NIPv4a 10.77.0.100\n", want: []Verdict{Passes, Passes, Passes, Dropped, Passes}},
		"in a set that is not there":    {iptables: filter("-A FORWARD -m set --match-set NIPv4b src -j DROP"), want: []Verdict{Unknown, Unknown, Passes, Unknown, Unknown}},
		"a known connection":            {iptables: filter("-A FORWARD -m state --state RELATED,ESTABLISHED -j DROP"), want: all},
		"a chain that returns":          {iptables: filter("-A FORWARD -j neutron-x\n-A FORWARD -j DROP\n-A neutron-x -s 0.0.0.0/32 -j ACCEPT"), want: []Verdict{Passes, Dropped, Passes, Dropped, Dropped}},
		"goto":                          {iptables: filter("-A FORWARD -g neutron-x\n-A FORWARD -j DROP"), want: all},
		"a log":                         {iptables: filter("-A FORWARD -j LOG --log-prefix \"a \\\"b\\\" \"\n-A FORWARD -j DROP"), want: none},
		"an option that is not known":   {iptables: filter("-A FORWARD -m time --timestart 10:00 -j DROP"), want: []Verdict{Unknown, Unknown, Passes, Unknown, Unknown}},
		"which another one rules out":   {iptables: filter("-A FORWARD -m time --timestart 10:00 -p tcp -j DROP"), want: all},
		"which changes nothing":         {iptables: filter("-A FORWARD -m time --timestart 10:00 -j ACCEPT"), want: all},
		"a target that is not known":    {iptables: filter("-A FORWARD -j NFQUEUE --queue-num 1"), want: []Verdict{Unknown, Unknown, Passes, Unknown, Unknown}},
		"ebtables, not this MAC":        {ebtables: nat("-A PREROUTING -i tapguest -s ! fa:16:3e:50:43:cd -j DROP"), want: all},
		"ebtables, among":               {ebtables: nat("-A PREROUTING -i tapguest --among-src fa:16:3e:50:43:cd, -j RETURN\n-A PREROUTING -j DROP"), want: []Verdict{Passes, Dropped, Passes, Passes, Passes}},
		"ebtables, a user's chain":      {ebtables: "*nat\n:PREROUTING ACCEPT\n:user ACCEPT\n-A PREROUTING -j user\n-A PREROUTING -j DROP\n", want: all},
		"ebtables, one that returns":    {ebtables: nat("-A PREROUTING -j user\n-A PREROUTING -p ARP -j DROP"), want: []Verdict{Passes, Passes, Dropped, Passes, Passes}},
		"ebtables, a mask":              {ebtables: nat("-A PREROUTING -d Broadcast -p IPv4 -j DROP"), want: []Verdict{Dropped, Passes, Passes, Passes, Passes}},
		"ebtables, the name of an op":   {ebtables: nat("-A PREROUTING -p ARP --arp-op Request -j DROP"), want: []Verdict{Passes, Passes, Dropped, Passes, Passes}},
		"ebtables, a VLAN that is none": {ebtables: nat("-A PREROUTING -p 802_1Q --vlan-id 0 -j DROP"), want: all},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, verdicts(t, c.ebtables, c.iptables, c.sets)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadDumps(t *testing.T) {
	for _, dump := range []string{
		"-A FORWARD -j DROP\n",
		"*filter\n-A FORWARD -j DROP\n",
		"*filter\n:FORWARD ACCEPT\n-A FORWARD DROP\n",
		"*filter\n:FORWARD ACCEPT\n-A FORWARD --comment \"open\n",
		"*filter\n:FORWARD ACCEPT\n-A FORWARD -j\n",
		"iptables-save: command not found\n",
	} {
		if _, err := ParseRules("", dump, ""); err == nil {
			t.Errorf("%q is read without an error", dump)
		}
	}
}

// TestLoop: a kernel refuses it.
func TestLoop(t *testing.T) {
	got := verdicts(t, "", "*filter\n:FORWARD ACCEPT\n:a -\n-A FORWARD -j a\n-A a -j a\n", "")
	if got[0] != Unknown {
		t.Errorf("a frame in a loop %s, want unknown", got[0])
	}
}

func TestReadTrace(t *testing.T) {
	const flows = "bridge(\"br-int\")\n 0. in_port=1, priority 100\n    resubmit(,8)\n 9. metadata=0x1, priority 50\n    drop\n\nFinal flow: unchanged\n"
	for name, c := range map[string]struct {
		out     string
		verdict Verdict
		rule    string
	}{
		"dropped":            {flows + "Datapath actions: drop\n", Dropped, "table 9: metadata=0x1, priority 50"},
		"a port":             {flows + "Datapath actions: 2\n", Passes, ""},
		"after conntrack":    {flows + "Datapath actions: ct(zone=1),recirc(0x2)\n" + flows + "Datapath actions: ct(commit,zone=2),4\n", Passes, ""},
		"not after it":       {flows + "Datapath actions: ct(zone=1),recirc(0x2)\n" + flows + "Datapath actions: drop\n", Dropped, "table 9: metadata=0x1, priority 50"},
		"a tunnel":           {flows + "Datapath actions: tnl_push(tnl_port(1),header(size=58,type=5)),5\n", Passes, ""},
		"DHCP of an agent's": {flows + "Datapath actions: userspace(pid=0,controller(reason=1))\n", Answered, "table 9: metadata=0x1, priority 50"},
		"no port in a set":   {flows + "Datapath actions: set(eth(src=1,dst=2))\n", Dropped, "table 9: metadata=0x1, priority 50"},
		"nothing to be read": {"ovs-appctl: cannot connect\n", "", ""},
	} {
		is := readTrace(c.out)
		if is.verdict != c.verdict || is.rule != c.rule {
			t.Errorf("%s: %q, %q; want %q, %q", name, is.verdict, is.rule, c.verdict, c.rule)
		}
	}
}

// FuzzRules: no dump and no frame makes it panic.
func FuzzRules(f *testing.F) {
	f.Add("*filter\n:FORWARD ACCEPT\n:a -\n-A FORWARD -s ! 1.2.3.4/24 -p udp -j a\n", []byte("\xff\xff\xff\xff\xff\xff\xfa\x16\x3e\x50\x43\xcd\x08\x06"))
	f.Fuzz(func(_ *testing.T, dump string, frame []byte) {
		rules, err := ParseRules(dump, dump, "")
		if err != nil {
			return
		}
		_, _, _ = rules.Pass(frame, bridge, tap, elsewhere)
	})
}
