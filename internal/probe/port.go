package probe

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const (
	namePrefix  = "vnbprobe"
	portSuffix  = "p"
	vlanSuffix  = "v"
	defaultVLAN = 1 // what a bridge that filters VLANs gives to a new port
)

// port is a port in a bridge: a veth pair with one end in the bridge, as an instance's
// tap is, and the other for the probe.
type port struct {
	inUse  *inUse
	veth   netlink.Link // the probe's end
	inside string       // the interface to ask through
	mac    net.HardwareAddr
}

// openPort adds a port to a bridge and waits until the bridge forwards to it. With
// a vlan other than 0 it is in that VLAN alone.
func openPort(ctx context.Context, bridgeName string, vlan uint16) (*port, error) {
	bridge, err := findBridge(bridgeName)
	if err != nil {
		return nil, err
	}
	p, err := newPort(bridge)
	if err != nil {
		return nil, err
	}
	if err := p.connect(ctx, bridge, vlan); err != nil {
		return nil, errors.Join(fmt.Errorf("putting a port into %s: %w", bridgeName, err), p.Close())
	}
	return p, nil
}

func findBridge(name string) (*netlink.Bridge, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("looking for the bridge %s: %w", name, err)
	}
	bridge, ok := link.(*netlink.Bridge)
	if !ok {
		return nil, fmt.Errorf("%s is of type %s and not a Linux bridge; with Open vSwitch, name the bridge between it and the instance (qbr…)", name, link.Type())
	}
	if bridge.Flags&net.FlagUp == 0 {
		return nil, fmt.Errorf("the bridge %s is down; set it up first: ip link set %s up", name, name)
	}
	return bridge, nil
}

// newPort makes the veth pair, outside the bridge.
func newPort(bridge *netlink.Bridge) (*port, error) {
	var id [3]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	name := namePrefix + hex.EncodeToString(id[:])
	m, err := newInUse(name)
	if err != nil {
		return nil, err
	}
	p := &port{inUse: m, inside: name, mac: append(net.HardwareAddr{0x02, 'v', 'n'}, id[:]...)}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = name, p.mac
	veth := netlink.NewVeth(attrs)
	veth.PeerName = name + portSuffix
	// A bridge takes the smallest of its ports' MTUs and of their MAC addresses.
	// It must not change under the instances that use it.
	veth.PeerMTU = uint32(bridge.MTU)
	veth.PeerHardwareAddr = append(net.HardwareAddr{0xfe, 'v', 'n'}, id[:]...)
	if err := netlink.LinkAdd(veth); err != nil {
		return nil, errors.Join(fmt.Errorf("making a veth pair for the bridge: %w", err), m.Close())
	}
	p.veth = veth
	return p, nil
}

func (p *port) connect(ctx context.Context, bridge *netlink.Bridge, vlan uint16) error {
	outside, err := netlink.LinkByName(p.inside + portSuffix)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetMaster(outside, bridge); err != nil {
		return err
	}
	ends := []netlink.Link{outside, p.veth}
	if vlan != 0 {
		tagged, err := p.joinVLAN(bridge, outside, vlan)
		if errors.Is(err, unix.EOPNOTSUPP) {
			return fmt.Errorf("joining VLAN %d: this kernel has no VLANs (module 8021q): %w", vlan, err)
		}
		if err != nil {
			return fmt.Errorf("joining VLAN %d: %w", vlan, err)
		}
		if tagged != nil {
			ends = append(ends, tagged)
		}
	}
	for _, end := range ends {
		if err := setUp(end); err != nil {
			return err
		}
	}
	return awaitForwarding(ctx, outside)
}

// joinVLAN makes the port a member of a VLAN. Where the bridge filters VLANs that
// is the bridge's task; where it does not, frames carry their tags through it, and
// the interface that adds them is returned.
func (p *port) joinVLAN(bridge *netlink.Bridge, outside netlink.Link, vlan uint16) (netlink.Link, error) {
	if bridge.VlanFiltering != nil && *bridge.VlanFiltering {
		const pvid, untagged, self, master = true, true, false, false
		if err := netlink.BridgeVlanAdd(outside, vlan, pvid, untagged, self, master); err != nil {
			return nil, err
		}
		if vlan == defaultVLAN {
			return nil, nil
		}
		return nil, netlink.BridgeVlanDel(outside, defaultVLAN, pvid, untagged, self, master)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = p.inside+vlanSuffix, p.veth.Attrs().Index
	tagged := &netlink.Vlan{LinkAttrs: attrs, VlanId: int(vlan), VlanProtocol: netlink.VLAN_PROTOCOL_8021Q}
	if err := netlink.LinkAdd(tagged); err != nil {
		return nil, err
	}
	p.inside = attrs.Name
	return tagged, nil
}

// setUp sets an interface up, without an IPv6 address, which it would announce in the
// tenant's network.
func setUp(link netlink.Link) error {
	err := netlink.LinkSetIP6AddrGenMode(link, nl.IN6_ADDR_GEN_MODE_NONE)
	if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) { // a kernel without IPv6
		return fmt.Errorf("keeping IPv6 off %s: %w", link.Attrs().Name, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("setting %s up: %w", link.Attrs().Name, err)
	}
	return nil
}

// Close removes the port.
func (p *port) Close() error {
	err := netlink.LinkDel(p.veth) // and with it the other end and the VLAN's
	if err != nil {
		err = fmt.Errorf("removing the probe's port; do it with ip link del %s: %w", p.veth.Attrs().Name, err)
	}
	return errors.Join(err, p.inUse.Close())
}
