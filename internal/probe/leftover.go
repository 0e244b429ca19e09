package probe

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
)

// inUse says that a probe uses a veth pair. It is an abstract unix socket: it belongs
// to the network namespace, as the pair does, and it always ends with the process.
type inUse struct{ net.PacketConn }

func newInUse(veth string) (*inUse, error) {
	conn, err := net.ListenPacket("unixgram", "@virt-netboot/"+veth)
	if err != nil {
		return nil, fmt.Errorf("marking %s as in use: %w", veth, err)
	}
	return &inUse{conn}, nil
}

// removeLeftovers removes the veth pairs of probes that were killed. Those of running
// probes stay.
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
	m, err := newInUse(name)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil
	}
	if err != nil {
		return err
	}
	defer m.Close()
	err = netlink.LinkDel(link)
	if err != nil && !errors.As(err, &netlink.LinkNotFoundError{}) && !errors.Is(err, syscall.ENODEV) {
		return fmt.Errorf("removing %s, which a killed probe left: %w", name, err)
	}
	return nil
}
