// Package explain says why an instance does not boot from the network: the first thing
// that stops it, from its definition to its port, and what takes that away. It does no
// I/O.
package explain

import (
	"encoding/xml"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/agent/reconcile/decide"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/port"
)

// Explanation is what is known of one instance.
type Explanation struct {
	Name   string `json:"name"`
	UUID   string `json:"uuid"`
	Active bool   `json:"active"`
	// Rule is the rule's name, empty where none matches, and RulesBefore are those that
	// were asked before it.
	Rule        string       `json:"rule"`
	RulesBefore []RuleBefore `json:"rules_before"`
	// Observe: nothing is changed on this node, for mode: observe.
	Observe  bool                `json:"observe"`
	Reverted bool                `json:"reverted"`
	Boots    domainxml.BootsFrom `json:"boots_from"`
	Filters  []string            `json:"filters"`
	// Changes are missing in the definition, LiveChanges in the running guest, and
	// Pending come at its next start.
	Changes     []domainxml.Change  `json:"changes"`
	LiveChanges []domainxml.Change  `json:"live_changes"`
	Pending     []domainxml.Change  `json:"pending"`
	Warnings    []domainxml.Warning `json:"warnings"`
	// Definition and Running are the domain's two documents, nil where there is none.
	Definition *Guest `json:"definition,omitempty"`
	Running    *Guest `json:"running,omitempty"`
	// History is what the journal has about the domain, the oldest first: how it came in,
	// and what was changed.
	History []Entry `json:"history"`
	// HistoryError is why the journal could not be read.
	HistoryError string      `json:"history_error,omitempty"`
	Unreadable   string      `json:"error,omitempty"`
	Interfaces   []Interface `json:"interfaces"`
	// Cause is the first thing that stops the instance.
	Cause Cause `json:"cause"`
}

// RuleBefore is a rule that is not the domain's.
type RuleBefore struct {
	Name string `json:"name"`
	// Match is the first key of its match that does not fit.
	Match string `json:"match"`
}

// Entry is one of the journal's.
type Entry struct {
	Time time.Time `json:"time"`
	Text string    `json:"text"`
}

// RulesBefore returns the rules that come before a domain's own: all where it has none.
func RulesBefore(p domainxml.Policy, d domainxml.Domain) []RuleBefore {
	before := []RuleBefore{}
	for _, r := range p.Rules {
		misfit := r.Match.Misfit(d)
		if misfit == "" {
			break
		}
		before = append(before, RuleBefore{r.Name, misfit})
	}
	return before
}

// Interface is one of the running guest's interfaces.
type Interface struct {
	MAC    string `json:"mac"`
	Device string `json:"device"` // on the node: tap5f3cd2a1-0b
	// InBootOrder: the running guest tries it before any disk.
	InBootOrder bool   `json:"in_boot_order"`
	ROM         string `json:"option_rom"`       // "default" (QEMU's own), a file, or "off"
	Filter      string `json:"filter,omitempty"` // libvirt's nwfilter
	// Neutron is the ID of its port, where Nova wrote it.
	Neutron string `json:"neutron_port,omitempty"`
	// BootFile is the one that OpenStack's own DHCP names to iPXE at the port: Neutron's
	// DHCP agent on this node, or OVN.
	BootFile string `json:"boot_file,omitempty"`
	// IgnoresIPXE is set where iPXE never hears of BootFile.
	IgnoresIPXE *IgnoresIPXE `json:"ignores_ipxe,omitempty"`
	Port        *port.Report `json:"port,omitempty"`
	// Error is why the port could not be looked at.
	Error string `json:"error,omitempty"`
}

// IgnoresIPXE is a DHCP server of OpenStack's that ignores iPXE, so that a tenant's can
// answer it (packaging/dhcp).
type IgnoresIPXE struct {
	Server string `json:"server"` // for a person
	Do     string `json:"do"`     // the command that ends it
}

// New is what a decision says of a domain. The ports of Interfaces are left to be
// looked at.
func New(d decide.Decision) (Explanation, error) {
	e := Explanation{
		Name: d.Name, UUID: d.UUID, Active: d.Active,
		Rule: d.Facts.Rule, Reverted: d.Facts.Reverted, Boots: d.Facts.Boots,
		Filters:     append([]string{}, d.Facts.Filters...),
		Changes:     append([]domainxml.Change{}, d.Changes...),
		LiveChanges: append([]domainxml.Change{}, d.LiveChanges...),
		Pending:     append([]domainxml.Change{}, d.Facts.Pending...),
		Warnings:    append([]domainxml.Warning{}, d.Facts.Warnings...),
		Interfaces:  []Interface{},
		RulesBefore: []RuleBefore{},
		History:     []Entry{},
	}
	if d.Facts.Unreadable != nil {
		e.Unreadable = d.Facts.Unreadable.Error()
		return e, nil
	}
	e.Definition, e.Running = guestOf(d.Inactive), guestOf(d.Live)
	if !d.Active {
		return e, nil
	}
	var err error
	e.Interfaces, err = interfaces(d.Live)
	return e, err
}

func interfaces(live []byte) ([]Interface, error) {
	var d libvirtxml.Domain
	if err := d.Unmarshal(string(live)); err != nil {
		return nil, fmt.Errorf("reading the running guest's document: %w", err)
	}
	all := []Interface{}
	if d.Devices == nil {
		return all, nil
	}
	ports := neutronPorts(d.Metadata)
	tried := triedInterfaces(d)
	for n, nic := range d.Devices.Interfaces {
		i := Interface{ROM: optionROM(nic.ROM), InBootOrder: slices.Contains(tried, n)}
		if nic.MAC != nil {
			i.MAC = nic.MAC.Address
		}
		if nic.Target != nil {
			i.Device = nic.Target.Dev
		}
		if nic.FilterRef != nil {
			i.Filter = nic.FilterRef.Filter
		}
		for _, id := range ports {
			// Nova and Neutron name a tap by the first 11 characters of its port's ID.
			if len(id) > 11 && strings.HasPrefix(i.Device, "tap") && i.Device[3:] == id[:11] {
				i.Neutron = id
			}
		}
		all = append(all, i)
	}
	return all, nil
}

// neutronPorts are the IDs in Nova's metadata (nova/virt/libvirt/config.py,
// LibvirtConfigGuestMetaNovaPorts).
func neutronPorts(metadata *libvirtxml.DomainMetadata) []string {
	if metadata == nil {
		return nil
	}
	var nova struct {
		Instance struct {
			Ports []struct {
				UUID string `xml:"uuid,attr"`
			} `xml:"ports>port"`
		} `xml:"http://openstack.org/xmlns/libvirt/nova/1.1 instance"`
	}
	if xml.Unmarshal([]byte("<metadata>"+metadata.XML+"</metadata>"), &nova) != nil {
		return nil
	}
	var ids []string
	for _, p := range nova.Instance.Ports {
		ids = append(ids, p.UUID)
	}
	return ids
}

// Hardware is the interface's MAC address, nil where it has none.
func (i Interface) Hardware() net.HardwareAddr {
	mac, _ := net.ParseMAC(i.MAC)
	return mac
}
