package probe

import (
	"net/netip"
	"slices"
)

// Verdict is what the servers' answers mean.
type Verdict string

const (
	// Right: one server gives iPXE its address, and it or a proxyDHCP server names what to
	// boot. Only OpenStack's answers others, where there is OpenStack.
	Right Verdict = "right"
	// Race: more than one server gives iPXE an address, or names what to boot.
	Race Verdict = "race"
	// OpenStackOnly: only OpenStack's server answers iPXE, and names nothing to boot.
	OpenStackOnly Verdict = "openstack-only"
	// NoAnswer: no server gives iPXE an address.
	NoAnswer Verdict = "no-answer"
	// AnswersOrdinary: the tenant's server answers ordinary clients.
	AnswersOrdinary Verdict = "answers-ordinary"
	// OneSubnet: both servers give addresses of one subnet.
	OneSubnet Verdict = "one-subnet"
	// NoBootFile: the tenant's server answers iPXE, and names nothing to boot.
	NoBootFile Verdict = "no-boot-file"
	// Unknown: no fault is found, but OpenStack's server answered no request, so its
	// silence towards iPXE proves nothing.
	Unknown Verdict = "unknown"
)

// Evidence is what a verdict is based on.
type Evidence struct {
	// Network is where the probe asked, in words.
	Network string
	// Firmware is the one that the requests of iPXE named.
	Firmware Firmware
	Offers   []Offer
	// Hosts are the addresses that OpenStack's server has for its instances, and
	// HostsFile is the file that they are from.
	Hosts     []Host
	HostsFile string
	// NoOpenStack says that there is no server of OpenStack's: one server may answer all
	// clients then.
	NoOpenStack bool
}

// Finding is one thing that the evidence shows.
type Finding struct {
	Verdict Verdict `json:"verdict"`
	// Text tells the operator what was found, and Do the one thing to do about it. Do
	// is empty when all is right.
	Text string `json:"text"`
	Do   string `json:"do,omitempty"`
}

// Judge returns each fault that the evidence shows, the gravest first. Without any it
// returns Right or Unknown alone.
func Judge(e Evidence) []Finding {
	var found []Finding
	tenant, sources := e.leases(IPXE, false), e.sources()
	switch servers := e.servers(IPXE); {
	case len(servers) == 0:
		found = append(found, e.noAnswer())
	case len(tenant) == 0 && len(sources) == 0:
		found = append(found, e.openStackOnly())
	case len(servers) > 1 && !alike(e.ipxeLeases()):
		found = append(found, e.race())
	case len(sources) > 1:
		found = append(found, e.raceOfFiles())
	}
	if len(tenant) > 0 && len(sources) == 0 {
		found = append(found, e.noBootFile())
	}
	if len(e.leases(Ordinary, false)) > 0 && !e.NoOpenStack {
		found = append(found, e.answersOrdinary())
	}
	if f, ok := e.oneSubnet(); ok {
		found = append(found, f)
	}
	switch {
	case len(found) > 0:
		return found
	case !e.NoOpenStack && !slices.ContainsFunc(e.Offers, func(o Offer) bool { return o.OpenStack }):
		return []Finding{e.unknown()}
	}
	return []Finding{e.right()}
}

// leases are the offers of an address to a kind of client that come from OpenStack's
// servers or from the tenant's.
func (e Evidence) leases(c Client, openStack bool) []Offer {
	var offers []Offer
	for _, o := range e.Offers {
		if o.Client == c && o.OpenStack == openStack && !o.Proxy {
			offers = append(offers, o)
		}
	}
	return offers
}

func (e Evidence) ipxeLeases() []Offer {
	return slices.Concat(e.leases(IPXE, false), e.leases(IPXE, true))
}

// servers are those that offer an address to a kind of client, the tenant's first.
func (e Evidence) servers(c Client) []netip.Addr {
	return servers(slices.Concat(e.leases(c, false), e.leases(c, true)))
}

// sources are the servers that name what iPXE is to boot. Servers of OpenStack's that
// are alike are one.
func (e Evidence) sources() []netip.Addr {
	var boots []Offer
	for _, o := range e.Offers {
		if o.Client == IPXE && o.boots() {
			boots = append(boots, o)
		}
	}
	if all := servers(boots); len(all) < 2 || !alike(boots) {
		return all
	}
	return servers(boots[:1])
}

// alike reports whether it makes no difference which of the offers iPXE takes: Neutron
// may have several DHCP agents for a network, with the same addresses and options.
func alike(offers []Offer) bool {
	return !slices.ContainsFunc(offers, func(o Offer) bool {
		return !o.OpenStack || o.BootFile != offers[0].BootFile || o.RootPath != offers[0].RootPath
	})
}

func servers(offers []Offer) []netip.Addr {
	var all []netip.Addr
	for _, o := range offers {
		if !slices.Contains(all, o.Server) {
			all = append(all, o.Server)
		}
	}
	return all
}

// clash is an offer of the tenant's that collides with OpenStack's addresses.
type clash struct {
	offer Offer
	// other is an offer of OpenStack's in the same subnet; it has no address where
	// only the hosts file says so.
	other Offer
	// hosts are the instances whose addresses lie in the offered subnet.
	hosts []Host
	// taken is the instance that has the very address that was offered.
	taken *Host
}

// clashes returns the gravest collision: an address that is taken before a subnet
// that is shared.
func (e Evidence) clashes() (clash, bool) {
	var worst clash
	found := false
	for _, o := range slices.Concat(e.leases(IPXE, false), e.leases(Ordinary, false)) {
		c := e.clashOf(o)
		if c.taken != nil {
			return c, true
		}
		if !found && (c.other.Address.IsValid() || len(c.hosts) > 0) {
			worst, found = c, true
		}
	}
	return worst, found
}

func (e Evidence) clashOf(o Offer) clash {
	c := clash{offer: o}
	for _, other := range e.Offers {
		if other.OpenStack && o.Subnet.IsValid() && other.Subnet.IsValid() && o.Subnet.Overlaps(other.Subnet) {
			c.other = other
		}
	}
	for _, h := range e.Hosts {
		if o.Subnet.IsValid() && o.Subnet.Contains(h.Address) {
			c.hosts = append(c.hosts, h)
		}
		if h.Address == o.Address {
			c.taken = &h
		}
	}
	return c
}
