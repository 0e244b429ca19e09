// Package network is the surroundings of an instance that boots from the network: a
// bridge for each tenant, OpenStack's dnsmasq on it as nova-network starts it, and
// the tenant's own DHCP and web server in a network namespace that stands in for an
// instance. The servers are real ones. What they log and what passes the bridge is
// kept with its time, so that a [Timeline] can say who asked, who answered and who
// kept silent.
package network
