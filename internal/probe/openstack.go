package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// dhcpNamespaces are the network namespaces that Neutron's DHCP agent runs its
// servers in.
const dhcpNamespaces = "/run/netns/qdhcp-*"

// markOpenStack sets OpenStack on the offers of OpenStack's servers. These are named by
// the operator. Where none is named, they are those with an address of this node, and
// those that offer a host what the hosts file has for it.
func markOpenStack(offers []Offer, named, node []netip.Addr, hosts []Host) {
	for i := range offers {
		o := &offers[i]
		o.OpenStack = slices.Contains(named, o.Server)
		if len(named) == 0 {
			o.OpenStack = slices.Contains(node, o.Server) ||
				slices.ContainsFunc(hosts, func(h Host) bool { return h.MAC == o.MAC && h.Address == o.Address })
		}
	}
}

// hasOpenStack reports whether something on this node is Nova's or Neutron's: their
// configuration, or a program, which may run in a container.
func hasOpenStack(root, proc string) bool {
	for _, trace := range []string{"etc/nova", "etc/neutron", dhcpNamespaces} {
		if found, _ := filepath.Glob(filepath.Join(root, trace)); len(found) > 0 {
			return true
		}
	}
	fs, err := procfs.NewFS(proc)
	if err != nil {
		return false
	}
	all, _ := fs.AllProcs()
	return slices.ContainsFunc(all, func(p procfs.Proc) bool {
		args, _ := p.CmdLine()                                                       // it may have ended
		return slices.ContainsFunc(args[:min(2, len(args))], func(arg string) bool { // a script is the second
			name := filepath.Base(arg)
			return strings.HasPrefix(name, "nova-") || strings.HasPrefix(name, "neutron-")
		})
	})
}

// errNoNamespace says that a file does not stand for a namespace any more.
var errNoNamespace = errors.New("no network namespace")

// nodeAddresses are the IPv4 addresses of this network namespace and those of
// Neutron's DHCP servers.
func nodeAddresses() ([]netip.Addr, error) {
	here, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("listing this node's addresses: %w", err)
	}
	var all []netip.Addr
	for _, a := range here {
		if ip, ok := netip.AddrFromSlice(a.IP.To4()); ok {
			all = append(all, ip)
		}
	}
	namespaces, err := filepath.Glob(dhcpNamespaces)
	if err != nil {
		return nil, err
	}
	for _, path := range namespaces {
		there, err := namespaceAddresses(path)
		if errors.Is(err, errNoNamespace) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listing the addresses of Neutron's DHCP server in %s (name it with --openstack-server): %w", path, err)
		}
		all = append(all, there...)
	}
	return all, nil
}

// namespaceAddresses asks for the IPv4 addresses of another network namespace from
// this one (IFA_TARGET_NETNSID of rtnetlink): entering it would need CAP_SYS_ADMIN.
func namespaceAddresses(path string) ([]netip.Addr, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	id, err := namespaceID(int(file.Fd()))
	if err != nil {
		return nil, fmt.Errorf("giving it a number: %w", err)
	}
	socket, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	// Without it the kernel ignores the attribute.
	if err := unix.SetsockoptInt(socket.GetFd(), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1); err != nil {
		return nil, err
	}
	req := nl.NewNetlinkRequest(unix.RTM_GETADDR, unix.NLM_F_DUMP)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: socket}}
	req.AddData(nl.NewIfAddrmsg(unix.AF_INET))
	req.AddData(nl.NewRtAttr(unix.IFA_TARGET_NETNSID, nl.Uint32Attr(uint32(id))))
	messages, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWADDR)
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	for _, m := range messages {
		attrs, err := nl.ParseRouteAttr(m[unix.SizeofIfAddrmsg:])
		if err != nil {
			return nil, err
		}
		for _, a := range attrs {
			if ip, ok := netip.AddrFromSlice(a.Value); ok && a.Attr.Type == unix.IFA_LOCAL {
				all = append(all, ip)
			}
		}
	}
	return all, nil
}

// namespaceID is the number by which this network namespace knows another.
func namespaceID(fd int) (int, error) {
	const none, any = -1, -1
	id, err := netlink.GetNetNsIdByFd(fd)
	if errors.Is(err, unix.EINVAL) {
		return none, errNoNamespace
	}
	if err != nil || id != none {
		return id, err
	}
	if err := netlink.SetNetNsIdByFd(fd, any); err != nil && !errors.Is(err, unix.EEXIST) {
		return none, err
	}
	return netlink.GetNetNsIdByFd(fd)
}
