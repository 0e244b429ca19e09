package trace

import (
	"fmt"
	"net"

	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/internal/timeline"
)

// Skipped is an interface whose frames do not pass this node's network devices.
type Skipped struct {
	MAC string
	// Why says where they pass, and what to do about it.
	Why string
}

// nics sorts the interfaces of a running guest's document: those with a device that is
// there, and those without.
func nics(live []byte, present func(device string) bool) (with []timeline.NIC, without []Skipped, err error) {
	var d libvirtxml.Domain
	if err := d.Unmarshal(string(live)); err != nil {
		return nil, nil, fmt.Errorf("reading the running guest's document: %w", err)
	}
	if d.Devices == nil {
		return nil, nil, nil
	}
	for _, nic := range d.Devices.Interfaces {
		var address string
		if nic.MAC != nil {
			address = nic.MAC.Address
		}
		mac, err := net.ParseMAC(address)
		if err == nil && nic.Target != nil && nic.Target.Dev != "" && present(nic.Target.Dev) {
			with = append(with, timeline.NIC{Device: nic.Target.Dev, MAC: mac})
			continue
		}
		without = append(without, Skipped{address, why(d.Name, nic)})
	}
	return with, without, nil
}

// why says where the frames of an interface pass that has no device on the node.
func why(domain string, nic libvirtxml.DomainInterface) string {
	source := nic.Source
	switch {
	case source == nil:
	case source.User != nil:
		host := "hostnet0"
		if nic.Alias != nil {
			host = "host" + nic.Alias.Name
		}
		return fmt.Sprintf("user networking stays inside QEMU, which can write the frames to a file by itself: "+
			"virsh qemu-monitor-command %s --hmp 'object_add filter-dump,id=dump0,netdev=%s,file=/var/lib/libvirt/qemu/%s.pcap'", domain, host, domain)
	case source.Hostdev != nil:
		return "a card that is passed through sends past this node: mirror its port at the switch, or start the guest once with a virtio interface"
	case source.VDPA != nil:
		return "vDPA sends past this node: mirror its port at the switch, or start the guest once with a virtio interface"
	case source.VHostUser != nil:
		return "a vhost-user interface sends straight to a switch with DPDK, which can mirror its port: ovs-tcpdump -i PORT for Open vSwitch"
	}
	return "it has no device on this node"
}

// present reports whether a network device is there.
func present(device string) bool {
	_, err := net.InterfaceByName(device)
	return err == nil
}
