package domainxml

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/internal/testing/corpus"
)

// TestViewEqualsLibvirtxml compares what the rules read with what libvirtxml reads, for
// every document that both can read.
func TestViewEqualsLibvirtxml(t *testing.T) {
	for _, d := range corpus.Documents(t) {
		var typed libvirtxml.Domain
		if typed.Unmarshal(string(d.XML)) != nil {
			continue
		}
		doc, err := parseDomain(d.XML)
		if err != nil {
			t.Errorf("%s: %v", d.Name, err)
			continue
		}
		if diff := cmp.Diff(seenByLibvirtxml(typed), seenByView(newView(doc))); diff != "" {
			t.Errorf("%s (-libvirtxml +view):\n%s", d.Name, diff)
		}
	}
}

// seen is the part of a domain that the rules read.
type seen struct {
	OS         libvirtxml.DomainOS
	Interfaces []libvirtxml.DomainInterface
	Orders     []libvirtxml.DomainDeviceBoot
}

func seenByView(v view) seen {
	s := seen{OS: v.os}
	for _, n := range v.interfaces {
		s.Interfaces = append(s.Interfaces, *n.DomainInterface)
	}
	for _, d := range byOrder(v.ordered) {
		s.Orders = append(s.Orders, d.boot)
	}
	return s
}

func seenByLibvirtxml(d libvirtxml.Domain) seen {
	var s seen
	if d.OS != nil {
		s.OS = libvirtxml.DomainOS{
			Type: d.OS.Type, Kernel: d.OS.Kernel, Initrd: d.OS.Initrd,
			Cmdline: d.OS.Cmdline, Shim: d.OS.Shim, BootDevices: d.OS.BootDevices,
		}
	}
	if d.Devices == nil {
		return s
	}
	for _, n := range d.Devices.Interfaces {
		reduced := libvirtxml.DomainInterface{FilterRef: n.FilterRef}
		if n.MAC != nil && n.MAC.Address != "" {
			reduced.MAC = &libvirtxml.DomainInterfaceMAC{Address: n.MAC.Address}
		}
		if n.ROM != nil {
			reduced.ROM = &libvirtxml.DomainROM{Bar: n.ROM.Bar, Enabled: n.ROM.Enabled, File: n.ROM.File}
		}
		s.Interfaces = append(s.Interfaces, reduced)
	}
	var ordered []orderedDevice
	for _, b := range deviceBoots(d.Devices) {
		if b != nil {
			ordered = append(ordered, orderedDevice{boot: *b})
		}
	}
	for _, o := range byOrder(ordered) {
		s.Orders = append(s.Orders, o.boot)
	}
	return s
}

func deviceBoots(l *libvirtxml.DomainDeviceList) []*libvirtxml.DomainDeviceBoot {
	var boots []*libvirtxml.DomainDeviceBoot
	for i := range l.Disks {
		boots = append(boots, l.Disks[i].Boot)
	}
	for i := range l.Filesystems {
		boots = append(boots, l.Filesystems[i].Boot)
	}
	for i := range l.Interfaces {
		boots = append(boots, l.Interfaces[i].Boot)
	}
	for i := range l.Hostdevs {
		boots = append(boots, l.Hostdevs[i].Boot)
	}
	for i := range l.RedirDevs {
		boots = append(boots, l.RedirDevs[i].Boot)
	}
	return boots
}
