package probe

import (
	"net/netip"
	"slices"
)

// Verdict is what the servers' answers mean.
type Verdict string

const (
	// Right: only the tenant's server answers iPXE, and only OpenStack's the others.
	Right Verdict = "right"
	// Race: more than one server answers iPXE.
	Race Verdict = "race"
	// OpenStackOnly: only OpenStack's server answers iPXE.
	OpenStackOnly Verdict = "openstack-only"
	// NoAnswer: no server answers iPXE.
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
	// NoOpenStack says that there is no server of OpenStack's.
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
	switch servers := e.servers(IPXE); {
	case len(servers) == 0:
		found = append(found, e.noAnswer())
	case len(e.from(IPXE, false)) == 0:
		found = append(found, e.openStackOnly())
	case len(servers) > 1:
		found = append(found, e.race())
	}
	if tenant := e.from(IPXE, false); len(tenant) > 0 && !slices.ContainsFunc(tenant, Offer.boots) {
		found = append(found, e.noBootFile())
	}
	if len(e.from(Ordinary, false)) > 0 {
		found = append(found, e.answersOrdinary())
	}
	if f, ok := e.oneSubnet(); ok {
		found = append(found, f)
	}
	switch {
	case len(found) > 0:
		return found
	case len(e.from(Ordinary, true)) == 0 && !e.NoOpenStack:
		return []Finding{e.unknown()}
	}
	return []Finding{e.right()}
}

// from are the offers to a kind of client that come from OpenStack's servers or
// from the tenant's.
func (e Evidence) from(c Client, openStack bool) []Offer {
	var offers []Offer
	for _, o := range e.Offers {
		if o.Client == c && o.OpenStack == openStack {
			offers = append(offers, o)
		}
	}
	return offers
}

// servers are those that answered a kind of client, in the order of their answers.
func (e Evidence) servers(c Client) []netip.Addr {
	return servers(slices.Concat(e.from(c, false), e.from(c, true)))
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
	for _, o := range slices.Concat(e.from(IPXE, false), e.from(Ordinary, false)) {
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
