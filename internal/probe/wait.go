package probe

import (
	"slices"
	"time"
)

const (
	// Patience is how long iPXE waits for an offer in all: 1, 2, 4 and 8 seconds
	// (DHCP_DISC_START_TIMEOUT_SEC, DHCP_DISC_END_TIMEOUT_SEC in its
	// src/config/dhcp.h).
	Patience = 15 * time.Second
	// enough is how long to listen for another server where one has answered.
	// dnsmasq pings an address for 3 seconds before it offers it, ISC dhcpd for 1; a
	// client takes what comes first, iPXE after 2 seconds.
	enough = 5 * time.Second
)

// wait is how long to ask, given the offers so far. A client without an answer may
// still get one for as long as iPXE itself would wait. After the first offer of an address
// to it, a late one does not matter.
func (o Options) wait(offers []Offer) time.Duration {
	answered := func(c Client) bool {
		return slices.ContainsFunc(offers, func(o Offer) bool { return o.Client == c && !o.Proxy })
	}
	if answered(IPXE) && (answered(Ordinary) || o.NoOpenStack) {
		return min(enough, o.Timeout)
	}
	return o.Timeout
}
