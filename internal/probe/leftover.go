package probe

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
)

// mark says that a probe is at work with a veth pair. It is an abstract unix
// socket: like the pair it belongs to the network namespace, and unlike the pair
// it goes with the process, however that ends.
type mark struct{ net.PacketConn }

func newMark(veth string) (*mark, error) {
	conn, err := net.ListenPacket("unixgram", "@virt-netboot/"+veth)
	if err != nil {
		return nil, fmt.Errorf("marking %s as in use: %w", veth, err)
	}
	return &mark{conn}, nil
}

// removeLeftovers takes away the veth pairs of probes that were killed. Those of
// probes at work stay.
func removeLeftovers() error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("looking for the ports of killed probes: %w", err)
	}
	var all error
	for _, link := range links {
		name := link.Attrs().Name
		if link.Type() != "veth" || !strings.HasPrefix(name, namePrefix) || strings.HasSuffix(name, portSuffix) {
			continue
		}
		all = errors.Join(all, removeLeftover(link, name))
	}
	return all
}

func removeLeftover(link netlink.Link, name string) error {
	m, err := newMark(name)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil
	}
	if err != nil {
		return err
	}
	defer m.Close()
	err = netlink.LinkDel(link)
	if err != nil && !errors.As(err, &netlink.LinkNotFoundError{}) && !errors.Is(err, syscall.ENODEV) {
		return fmt.Errorf("taking away %s, which a killed probe left: %w", name, err)
	}
	return nil
}
