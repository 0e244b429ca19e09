// Package port says which frames of a network boot pass the port of a domain's
// interface, and which rule drops the others. It reads what stands on the port and
// sends nothing.
//
//	frame.go   the frames that a network boot needs
//	packet.go  what a rule can ask of a frame
//	rules.go   the dumps of ebtables-save and iptables-save
//	match.go   what one rule asks
//	walk.go    a frame's way through the chains of one dump
//	bridge.go  a frame's way through a Linux bridge: nwfilter, Neutron's iptables
//	ovs.go     a frame's way through Open vSwitch, which traces it: Neutron's OVS
//	           firewall, OVN
//	ovn.go     what OVN's DHCP offers to the port
//	inspect.go all of it for one port
package port
