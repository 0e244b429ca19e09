package probe

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	ownMAC = "02:76:6e:00:00:01"
	vmMAC  = "fa:16:3e:50:43:cd"
)

// offer is one of a server's, in its own /24. The tenant's names a boot file to iPXE.
func offer(c Client, openStack bool, server, address string) Offer {
	a := netip.MustParseAddr(address)
	subnet, _ := a.Prefix(24)
	o := Offer{Client: c, MAC: ownMAC, Server: netip.MustParseAddr(server), OpenStack: openStack, Address: a, Subnet: subnet}
	if c == IPXE && !openStack {
		o.BootFile = "boot.ipxe"
	}
	return o
}

func TestJudge(t *testing.T) {
	const openStack, tenant = true, false
	tenantIPXE := offer(IPXE, tenant, "10.77.0.1", "10.77.0.100")
	tenantIPXE2 := offer(IPXE, tenant, "10.78.0.1", "10.78.0.100")
	tenantOrdinary := offer(Ordinary, tenant, "10.77.0.1", "10.77.0.101")
	tenantInSubnet := offer(IPXE, tenant, "10.1.0.200", "10.1.0.201")
	novaIPXE := offer(IPXE, openStack, "10.1.0.1", "10.1.0.3")
	novaOrdinary := offer(Ordinary, openStack, "10.1.0.1", "10.1.0.3")
	withoutFile, withoutFile2 := tenantIPXE, tenantIPXE2
	withoutFile.BootFile, withoutFile2.BootFile = "", ""
	iscsi, menu := withoutFile, withoutFile
	iscsi.RootPath, menu.BootMenu = "iscsi:10.77.0.1::::iqn.2026-01.test:a", true
	proxy := Offer{Client: IPXE, MAC: ownMAC, Proxy: true, Server: netip.MustParseAddr("10.79.0.1")}
	proxy2 := proxy
	proxy2.Server = netip.MustParseAddr("10.80.0.1")
	novaBoots, novaBoots2, novaOther := novaIPXE, novaIPXE, novaIPXE
	novaBoots.BootFile, novaBoots2.BootFile, novaOther.BootFile = "http://10.77.0.9/boot.ipxe", "http://10.77.0.9/boot.ipxe", "other"
	novaBoots2.Server, novaOther.Server = netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("10.1.0.2")
	nodeIPXE := tenantIPXE
	nodeIPXE.OpenStack = openStack
	withoutMask := tenantInSubnet
	withoutMask.Subnet = netip.Prefix{}
	hosts := []Host{{MAC: vmMAC, Address: netip.MustParseAddr("10.1.0.3"), Name: "vm1.novalocal"}}
	takenHosts := append(hosts[:1:1], Host{MAC: "fa:16:3e:00:00:02", Address: netip.MustParseAddr("10.1.0.201"), Name: "vm2.novalocal"})

	for _, tc := range []struct {
		name string
		e    Evidence
		want []Verdict
		text string // of the last
	}{
		{
			"right", Evidence{Offers: []Offer{novaOrdinary, tenantIPXE}}, []Verdict{Right},
			"only the tenant's server 10.77.0.1 answers iPXE, only OpenStack's 10.1.0.1 answers ordinary clients",
		},
		{
			"right, no OpenStack", Evidence{Offers: []Offer{tenantIPXE}, NoOpenStack: true}, []Verdict{Right},
			"only the server 10.77.0.1 answers iPXE, no server answers ordinary clients",
		},
		{
			"right, no OpenStack, one server for all", Evidence{Offers: []Offer{tenantIPXE, tenantOrdinary}, NoOpenStack: true}, []Verdict{Right},
			"only the server 10.77.0.1 answers iPXE, 10.77.0.1 answers ordinary clients",
		},
		{
			"right, no OpenStack, with a proxyDHCP server", Evidence{Offers: []Offer{proxy, withoutFile, tenantOrdinary}, NoOpenStack: true}, []Verdict{Right},
			"the server 10.77.0.1 gives iPXE its address and the proxyDHCP server 10.79.0.1 what to boot, 10.77.0.1 answers ordinary clients",
		},
		{
			"right, OpenStack's with a tenant's proxyDHCP server", Evidence{Offers: []Offer{novaOrdinary, novaIPXE, proxy}}, []Verdict{Right},
			"OpenStack's server 10.1.0.1 gives iPXE its address and the proxyDHCP server 10.79.0.1 what to boot, only OpenStack's 10.1.0.1 answers ordinary clients",
		},
		{
			"right, OpenStack's names the boot file", Evidence{Offers: []Offer{novaOrdinary, novaBoots}}, []Verdict{Right},
			"only OpenStack's server 10.1.0.1 answers iPXE, and names what to boot, only OpenStack's 10.1.0.1 answers ordinary clients",
		},
		{
			"right, several DHCP agents name the same", Evidence{Offers: []Offer{novaOrdinary, novaBoots, novaBoots2}}, []Verdict{Right},
			"only OpenStack's server 10.1.0.1 and 10.1.0.2 answers iPXE, and names what to boot, only OpenStack's 10.1.0.1 answers ordinary clients",
		},
		{
			"several of OpenStack's name different files", Evidence{Offers: []Offer{novaOrdinary, novaBoots, novaOther}}, []Verdict{Race},
			"10.1.0.1 and 10.1.0.2 all answer iPXE: an instance boots from whichever is faster",
		},
		{
			"a proxyDHCP server alone", Evidence{Offers: []Offer{novaOrdinary, proxy}}, []Verdict{NoAnswer},
			"the proxyDHCP server 10.79.0.1 names what to boot, but no server gives iPXE an address: an instance boots from its disk",
		},
		{
			"two proxyDHCP servers", Evidence{Offers: []Offer{novaOrdinary, novaIPXE, proxy, proxy2}}, []Verdict{Race},
			"10.79.0.1 and 10.80.0.1 all name something to boot to iPXE: an instance boots what it hears first",
		},
		{
			"a boot file beside a proxyDHCP server's", Evidence{Offers: []Offer{tenantIPXE, proxy}, NoOpenStack: true}, []Verdict{Race},
			"10.77.0.1 and 10.79.0.1 all name something to boot to iPXE: an instance boots what it hears first",
		},
		{
			"no boot file, no OpenStack", Evidence{Offers: []Offer{withoutFile, tenantOrdinary}, NoOpenStack: true}, []Verdict{NoBootFile},
			"the server 10.77.0.1 answers iPXE without a boot file: an instance takes its address, and then boots from its disk",
		},
		{
			"race, no OpenStack", Evidence{Offers: []Offer{tenantIPXE, tenantIPXE2}, NoOpenStack: true}, []Verdict{Race},
			"10.77.0.1 and 10.78.0.1 all answer iPXE: an instance boots from whichever is faster",
		},
		{
			"no answer, no OpenStack", Evidence{Offers: []Offer{tenantOrdinary}, NoOpenStack: true}, []Verdict{NoAnswer},
			"no server answers iPXE: an instance waits for an address until iPXE gives up, and then boots from its disk",
		},
		{
			"unknown", Evidence{Offers: []Offer{tenantIPXE}}, []Verdict{Unknown},
			"the tenant's server 10.77.0.1 alone answers iPXE, but no server of OpenStack's answered the ordinary request: dnsmasq run by Nova or Neutron answers only the MAC addresses that it knows, so its silence towards iPXE proves nothing",
		},
		{
			"race", Evidence{Offers: []Offer{novaOrdinary, novaIPXE, tenantIPXE}}, []Verdict{Race},
			"both the tenant's server 10.77.0.1 and OpenStack's 10.1.0.1 answer iPXE: an instance boots from whichever is faster",
		},
		{
			"race, OpenStack's not heard by ordinary clients", Evidence{Offers: []Offer{novaIPXE, tenantIPXE}}, []Verdict{Race},
			"both the tenant's server 10.77.0.1 and OpenStack's 10.1.0.1 answer iPXE: an instance boots from whichever is faster",
		},
		{
			"race between the tenant's", Evidence{Offers: []Offer{novaOrdinary, tenantIPXE, tenantIPXE2}}, []Verdict{Race},
			"10.77.0.1 and 10.78.0.1 all answer iPXE: an instance boots from whichever is faster",
		},
		{
			"OpenStack's only", Evidence{Offers: []Offer{novaOrdinary, novaIPXE}}, []Verdict{OpenStackOnly},
			"only OpenStack's server 10.1.0.1 answers iPXE: an instance takes an address that leads to no boot file, and boots from its disk",
		},
		{
			"two of OpenStack's, or taken for it", Evidence{Offers: []Offer{novaOrdinary, novaIPXE, nodeIPXE}}, []Verdict{Race},
			"10.1.0.1 and 10.77.0.1 all answer iPXE: an instance boots from whichever is faster",
		},
		{
			"no answer", Evidence{Offers: []Offer{novaOrdinary}}, []Verdict{NoAnswer},
			"no server answers iPXE: an instance waits for an address until iPXE gives up, and then boots from its disk",
		},
		{
			"no answer at all", Evidence{}, []Verdict{NoAnswer},
			"no server answers iPXE: an instance waits for an address until iPXE gives up, and then boots from its disk",
		},
		{
			"answers ordinary clients", Evidence{Offers: []Offer{novaOrdinary, tenantIPXE, tenantOrdinary}}, []Verdict{AnswersOrdinary},
			"the tenant's server 10.77.0.1 answers ordinary clients: an instance that has booted may get an address that OpenStack does not know",
		},
		{
			"answers ordinary clients, no server iPXE", Evidence{Offers: []Offer{novaOrdinary, tenantOrdinary}}, []Verdict{NoAnswer, AnswersOrdinary},
			"the tenant's server 10.77.0.1 answers ordinary clients: an instance that has booted may get an address that OpenStack does not know",
		},
		{
			"one subnet, by the offers", Evidence{Offers: []Offer{novaOrdinary, tenantInSubnet}}, []Verdict{OneSubnet},
			"the tenant's server 10.1.0.200 and OpenStack's 10.1.0.1 both give addresses of 10.1.0.0/24: two instances may get the same",
		},
		{
			"one subnet, by the hosts file", Evidence{Offers: []Offer{tenantInSubnet}, Hosts: hosts, HostsFile: "nova-br1.conf"}, []Verdict{OneSubnet},
			"the tenant's server 10.1.0.200 gives addresses of 10.1.0.0/24, where nova-br1.conf has those of 1 instances, such as vm1.novalocal (fa:16:3e:50:43:cd, 10.1.0.3)",
		},
		{
			"an address that is taken", Evidence{Offers: []Offer{novaOrdinary, tenantInSubnet}, Hosts: takenHosts, HostsFile: "nova-br1.conf"}, []Verdict{OneSubnet},
			"the tenant's server 10.1.0.200 offers 10.1.0.201, which nova-br1.conf gives to vm2.novalocal (fa:16:3e:00:00:02, 10.1.0.201)",
		},
		{
			"an address that is taken, in no subnet", Evidence{Offers: []Offer{novaOrdinary, withoutMask}, Hosts: takenHosts, HostsFile: "nova-br1.conf"}, []Verdict{OneSubnet},
			"the tenant's server 10.1.0.200 offers 10.1.0.201, which nova-br1.conf gives to vm2.novalocal (fa:16:3e:00:00:02, 10.1.0.201)",
		},
		{
			"hosts in another subnet", Evidence{Offers: []Offer{novaOrdinary, tenantIPXE}, Hosts: takenHosts}, []Verdict{Right},
			"only the tenant's server 10.77.0.1 answers iPXE, only OpenStack's 10.1.0.1 answers ordinary clients",
		},
		{
			"no boot file", Evidence{Offers: []Offer{novaOrdinary, withoutFile}}, []Verdict{NoBootFile},
			"the tenant's server 10.77.0.1 answers iPXE without a boot file: an instance takes its address, and then boots from its disk",
		},
		{
			"no boot file, and no other server", Evidence{Offers: []Offer{withoutFile}}, []Verdict{NoBootFile},
			"the tenant's server 10.77.0.1 answers iPXE without a boot file: an instance takes its address, and then boots from its disk",
		},
		{
			"two of the tenant's without a boot file", Evidence{Offers: []Offer{novaOrdinary, withoutFile, withoutFile2}}, []Verdict{Race, NoBootFile},
			"the tenant's server 10.77.0.1 and 10.78.0.1 answers iPXE without a boot file: an instance takes its address, and then boots from its disk",
		},
		{
			"one with a boot file, one without", Evidence{Offers: []Offer{novaOrdinary, tenantIPXE, withoutFile2}}, []Verdict{Race},
			"10.77.0.1 and 10.78.0.1 all answer iPXE: an instance boots from whichever is faster",
		},
		{
			"a disk in the network", Evidence{Offers: []Offer{novaOrdinary, iscsi}}, []Verdict{Right},
			"only the tenant's server 10.77.0.1 answers iPXE, only OpenStack's 10.1.0.1 answers ordinary clients",
		},
		{
			"PXE's menu", Evidence{Offers: []Offer{novaOrdinary, menu}}, []Verdict{Right},
			"only the tenant's server 10.77.0.1 answers iPXE, only OpenStack's 10.1.0.1 answers ordinary clients",
		},
		{
			"everything wrong", Evidence{Offers: []Offer{novaOrdinary, novaIPXE, tenantInSubnet, offer(Ordinary, tenant, "10.1.0.200", "10.1.0.202")}},
			[]Verdict{Race, AnswersOrdinary, OneSubnet},
			"the tenant's server 10.1.0.200 and OpenStack's 10.1.0.1 both give addresses of 10.1.0.0/24: two instances may get the same",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []Verdict
			findings := Judge(tc.e)
			for _, f := range findings {
				got = append(got, f.Verdict)
				if (f.Do == "") != (f.Verdict == Right) {
					t.Errorf("%s: what to do is %q", f.Verdict, f.Do)
				}
				for _, word := range []string{"tenant", "OpenStack", "openstack", "nova", "neutron"} {
					if tc.e.NoOpenStack && strings.Contains(f.Text+f.Do, word) {
						t.Errorf("%s: %s; %s: %s is not of this node", f.Verdict, f.Text, f.Do, word)
					}
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(tc.text, findings[len(findings)-1].Text); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestAdvice: where a tenant's server may have been taken for OpenStack's, or the
// other way round, what to do begins with the likelier and names the other.
func TestAdvice(t *testing.T) {
	const openStack, tenant = true, false
	node, other := offer(IPXE, openStack, "10.1.0.1", "10.1.0.3"), offer(IPXE, tenant, "10.77.0.1", "10.77.0.100")
	third, ordinary := offer(IPXE, tenant, "10.78.0.1", "10.78.0.100"), offer(Ordinary, tenant, "10.77.0.1", "10.77.0.100")
	for _, tc := range []struct {
		name   string
		offers []Offer
		want   string // of the first
	}{
		{"OpenStack's only", []Offer{node}, "if it is the tenant's, name OpenStack's with --openstack-server, or none"},
		{"race", []Offer{node, other}, "if it is the tenant's, name OpenStack's with --openstack-server, or none"},
		{"race between the tenant's", []Offer{other, third}, "if one of them is OpenStack's, name it with --openstack-server"},
		{"answers ordinary clients", []Offer{other, ordinary}, "if it is OpenStack's, name it with --openstack-server"},
	} {
		if do := Judge(Evidence{Offers: tc.offers})[0].Do; !strings.HasSuffix(do, "; "+tc.want) {
			t.Errorf("%s: to do is %s", tc.name, do)
		}
	}
}

// TestMarkOpenStack: whose server is whose.
func TestMarkOpenStack(t *testing.T) {
	addr := netip.MustParseAddr
	static := offer(IPXE, false, "10.1.0.9", "10.1.0.3")
	static.MAC = vmMAC
	hosts := []Host{{MAC: vmMAC, Address: addr("10.1.0.3")}}
	other := offer(IPXE, false, "10.77.0.1", "10.1.0.3")
	for _, tc := range []struct {
		name        string
		offer       Offer
		named, node []netip.Addr
		hosts       []Host
		want        bool
	}{
		{"nothing is known", other, nil, nil, nil, false},
		{"an address of the node", other, nil, []netip.Addr{addr("192.0.2.1"), addr("10.77.0.1")}, nil, true},
		{"an address of another", other, nil, []netip.Addr{addr("192.0.2.1")}, nil, false},
		{"named", other, []netip.Addr{addr("10.77.0.1")}, nil, nil, true},
		{"another is named, though this is the node's", other, []netip.Addr{addr("10.1.0.1")}, []netip.Addr{addr("10.77.0.1")}, nil, false},
		{"offers what the hosts file says", static, nil, nil, hosts, true},
		{"offers it to another client", other, nil, nil, hosts, false},
	} {
		offers := []Offer{tc.offer}
		markOpenStack(offers, tc.named, tc.node, tc.hosts)
		if offers[0].OpenStack != tc.want {
			t.Errorf("%s: OpenStack's is %v", tc.name, offers[0].OpenStack)
		}
	}
}
