package probe

import (
	"fmt"
	"net/netip"
	"strings"
)

// dnsmasqLines are what OpenStack's dnsmasq needs.
const dnsmasqLines = "dhcp-userclass=set:ipxe,iPXE and dhcp-ignore=tag:ipxe"

func (e Evidence) right() Finding {
	lease, source := e.ipxeLeases()[0], e.sources()[0]
	var text string
	switch {
	case lease.Server != source:
		text = fmt.Sprintf("%s gives iPXE its address and the proxyDHCP server %s what to boot", e.server(lease.OpenStack, lease.Server), source)
	case lease.OpenStack:
		text = fmt.Sprintf("only %s answers iPXE, and names what to boot", e.server(true, e.servers(IPXE)...))
	default:
		text = fmt.Sprintf("only %s answers iPXE", e.server(false, lease.Server))
	}
	switch ordinary := e.servers(Ordinary); {
	case len(ordinary) == 0:
		text += ", no server answers ordinary clients"
	case e.NoOpenStack:
		text += ", " + list(ordinary) + " answers ordinary clients"
	default:
		text += ", only OpenStack's " + list(ordinary) + " answers ordinary clients"
	}
	return Finding{Verdict: Right, Text: text}
}

// server names servers of OpenStack's or of the tenant's; where there is no OpenStack,
// they are simply the network's.
func (e Evidence) server(openStack bool, addresses ...netip.Addr) string {
	switch {
	case e.NoOpenStack:
		return "the server " + list(addresses)
	case openStack:
		return "OpenStack's server " + list(addresses)
	}
	return "the tenant's server " + list(addresses)
}

func (e Evidence) race() Finding {
	openStack, tenant := e.leases(IPXE, true), e.leases(IPXE, false)
	f := Finding{
		Verdict: Race,
		Text:    fmt.Sprintf("%s all answer iPXE: an instance boots from whichever is faster", list(e.servers(IPXE))),
		Do:      ignoreIPXE,
	}
	switch {
	case len(openStack) > 0 && len(tenant) > 0:
		f.Text = fmt.Sprintf("both the tenant's server %s and OpenStack's %s answer iPXE: an instance boots from whichever is faster",
			list(servers(tenant)), list(servers(openStack)))
	case e.NoOpenStack:
		f.Do = "stop all of these servers but one"
	case len(openStack) == 0:
		f.Do = "stop all of the tenant's servers but one" +
			"; if one of them is OpenStack's, name it with --openstack-server"
	}
	return f
}

func (e Evidence) raceOfFiles() Finding {
	return Finding{
		Verdict: Race,
		Text:    fmt.Sprintf("%s all name something to boot to iPXE: an instance boots what it hears first", list(e.sources())),
		Do:      fmt.Sprintf("have all but one of them name nothing to the user class %q (DHCP option 77)", userClass),
	}
}

// ignoreIPXE is the remedy for an OpenStack server that answers iPXE. It names
// --openstack-server, since a tenant's server may be taken for OpenStack's: where it
// has an address of the node, as in a lab, or offers what the hosts file says.
const ignoreIPXE = "put " + dnsmasqLines + " into the file that dnsmasq_config_file names in nova.conf or dhcp_agent.ini;" +
	" then restart neutron-dhcp-agent, or kill that dnsmasq and restart nova-network;" +
	" if it is the tenant's, name OpenStack's with --openstack-server, or none"

func (e Evidence) openStackOnly() Finding {
	return Finding{
		Verdict: OpenStackOnly,
		Text: fmt.Sprintf("only OpenStack's server %s answers iPXE: an instance takes an address that leads to no boot file, and boots from its disk",
			list(e.servers(IPXE))),
		Do: ignoreIPXE,
	}
}

func (e Evidence) noAnswer() Finding {
	f := Finding{
		Verdict: NoAnswer,
		Text:    "no server answers iPXE: an instance waits for an address until iPXE gives up, and then boots from its disk",
		Do: fmt.Sprintf("start the tenant's DHCP server on %s; if it runs, have it answer the user class %q (DHCP option 77),"+
			" and see that no nwfilter or security group of its port drops its answers", e.Network, userClass),
	}
	if sources := e.sources(); len(sources) > 0 {
		f.Text = fmt.Sprintf("the proxyDHCP server %s names what to boot, but no server gives iPXE an address: an instance boots from its disk", list(sources))
	}
	if e.NoOpenStack {
		f.Do = fmt.Sprintf("start a DHCP server on %s; if it runs, have it answer the user class %q (DHCP option 77)", e.Network, userClass)
	}
	return f
}

func (e Evidence) noBootFile() Finding {
	tenant := servers(e.leases(IPXE, false))
	arch := ipxeOf(e.Firmware).arch
	return Finding{
		Verdict: NoBootFile,
		Text:    fmt.Sprintf("%s answers iPXE without a boot file: an instance takes its address, and then boots from its disk", e.server(false, tenant...)),
		Do: fmt.Sprintf("have %s name a boot file to the client architecture %d (%s, DHCP option 93): dhcp-boot of dnsmasq, filename of ISC dhcpd, boot-file-name of Kea",
			list(tenant), arch, arch),
	}
}

func (e Evidence) answersOrdinary() Finding {
	tenant := list(servers(e.leases(Ordinary, false)))
	return Finding{
		Verdict: AnswersOrdinary,
		Text:    fmt.Sprintf("the tenant's server %s answers ordinary clients: an instance that has booted may get an address that OpenStack does not know", tenant),
		Do: fmt.Sprintf("have %s answer only the user class %q (DHCP option 77); if it is OpenStack's, name it with --openstack-server",
			tenant, userClass),
	}
}

func (e Evidence) oneSubnet() (Finding, bool) {
	c, ok := e.clashes()
	if !ok {
		return Finding{}, false
	}
	f := Finding{
		Verdict: OneSubnet,
		Do:      fmt.Sprintf("give %s a subnet of its own, apart from every subnet of OpenStack's", c.offer.Server),
	}
	switch {
	case c.taken != nil:
		f.Text = fmt.Sprintf("the tenant's server %s offers %s, which %s gives to %s", c.offer.Server, c.offer.Address, e.HostsFile, c.taken)
	case c.other.Address.IsValid():
		f.Text = fmt.Sprintf("the tenant's server %s and OpenStack's %s both give addresses of %s: two instances may get the same",
			c.offer.Server, c.other.Server, c.offer.Subnet)
	default:
		f.Text = fmt.Sprintf("the tenant's server %s gives addresses of %s, where %s has those of %d instances, such as %s",
			c.offer.Server, c.offer.Subnet, e.HostsFile, len(c.hosts), c.hosts[0])
	}
	return f, true
}

func (e Evidence) unknown() Finding {
	return Finding{
		Verdict: Unknown,
		Text: fmt.Sprintf("the tenant's server %s alone answers iPXE, but no server of OpenStack's answered the ordinary request: "+
			"dnsmasq run by Nova or Neutron answers only the MAC addresses that it knows, so its silence towards iPXE proves nothing",
			list(e.servers(IPXE))),
		Do: "name its hosts file with --hostsfile, or an instance's MAC address with --mac, so that the probe asks as one that it knows;" +
			" where there is no such server, use --openstack-server none",
	}
}

// String names an instance in a finding.
func (h Host) String() string {
	if h.Name == "" {
		return fmt.Sprintf("%s (%s)", h.MAC, h.Address)
	}
	return fmt.Sprintf("%s (%s, %s)", h.Name, h.MAC, h.Address)
}

// list joins addresses with "and".
func list(all []netip.Addr) string {
	words := make([]string, len(all))
	for i, a := range all {
		words[i] = a.String()
	}
	return strings.Join(words, " and ")
}
