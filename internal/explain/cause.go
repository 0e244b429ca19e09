package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/port"
)

// Kind is what stops an instance.
type Kind string

const (
	// Nothing: no cause is found on this node.
	Nothing    Kind = "nothing"
	Unreadable Kind = "unreadable" // the document
	Reverted   Kind = "reverted"
	NoRule     Kind = "no-rule"
	Observed   Kind = "observe" // it would be changed in mode: enforce
	NotInSync  Kind = "not-in-sync"
	KeepsOrder Kind = "keeps-boot-order" // the rule leaves the network behind, or out
	Warned     Kind = "warning"          // one of domainxml's
	NotRunning Kind = "not-running"
	AtNext     Kind = "next-start" // it runs as it was before
	NWFilter   Kind = "nwfilter"
	Security   Kind = "port-security"
	OVNAnswers Kind = "ovn-dhcp"
	Ignored    Kind = "ignores-ipxe" // by the DHCP server of OpenStack's that has its boot file
	NotSeen    Kind = "port-unknown"
)

// Cause is the first thing that stops an instance from booting from the network.
type Cause struct {
	Kind Kind `json:"kind"`
	// Text says what it is, and Do the command that takes it away. Do is empty where
	// there is nothing to do.
	Text string `json:"text"`
	Do   string `json:"do,omitempty"`
}

// Find returns the first cause, from the definition to the ports of the interfaces in the
// boot order: one that nothing stops is enough. server says that the tenant has a DHCP
// server of its own; without it OpenStack's may be meant.
func (e Explanation) Find(server bool) Cause {
	if c, ok := e.ofDomain(); ok {
		return c
	}
	var open []Interface
	var stopped []Cause
	for _, i := range e.Interfaces {
		if !i.InBootOrder {
			continue
		}
		c, ok := i.cause(server)
		if !ok {
			open = append(open, i)
			continue
		}
		if len(e.Interfaces) > 1 {
			c.Text = "Interface " + i.MAC + ": " + c.Text
		}
		stopped = append(stopped, c)
	}
	if len(open) == 0 && len(stopped) > 0 {
		return stopped[0]
	}
	c := Cause{Nothing, nothing(open, server), e.ask()}
	for _, also := range stopped {
		c.Text += " But: " + also.Text
	}
	return c
}

// nothing says what is next where nothing on this node stops the interfaces.
func nothing(open []Interface, server bool) string {
	if server {
		return "Nothing at its own port stops it. The port of the tenant's server may still drop the server's offers: " +
			"virt-netboot explain, with the same --server, says so for the server, on its node."
	}
	for _, i := range open {
		if i.BootFile != "" {
			return "Nothing on this node stops it: OpenStack's own DHCP names its boot file, " + i.BootFile + "."
		}
	}
	return "Nothing on this node stops it. Whether a DHCP server names a boot file is the next question."
}

func (e Explanation) ofDomain() (Cause, bool) {
	switch {
	case e.Unreadable != "":
		return Cause{Unreadable, "Its document cannot be read, so it is left as it is: " + e.Unreadable, ""}, true
	case e.Reverted:
		return Cause{Reverted, "It is reverted: no rule applies to it.", "virt-netboot apply " + e.Name}, true
	case e.Rule == "":
		return Cause{NoRule, "No rule matches it.", "edit the rules in /etc/virt-netboot/config.yaml, then virt-netboot check"}, true
	case e.Observe && len(e.Changes)+len(e.LiveChanges) > 0:
		return Cause{Observed, "The agent only observes (mode: observe). The rule would do this: " + texts(append(e.Changes, e.LiveChanges...)), "virt-netboot enable"}, true
	case len(e.Changes)+len(e.LiveChanges) > 0:
		return Cause{NotInSync, "It is not in sync with its rule: " + texts(append(e.Changes, e.LiveChanges...)), "virt-netboot apply " + e.Name}, true
	case slices.ContainsFunc(e.Warnings, domainxml.Warning.Stops):
		return Cause{Warned, e.Warnings[slices.IndexFunc(e.Warnings, domainxml.Warning.Stops)].String(), ""}, true
	case !e.Active:
		return Cause{NotRunning, "It is not running. Its definition boots from " + string(e.Boots) + ".", "virsh start " + e.Name}, true
	case len(e.Pending) > 0:
		return Cause{AtNext, "It runs as it was started, before the rule: " + texts(e.Pending), "virsh shutdown " + e.Name + ", then virsh start " + e.Name}, true
	case e.Boots != domainxml.BootsFromNetwork:
		return Cause{KeepsOrder, "Its rule leaves the boot order, and it boots from " + string(e.Boots) + ".", "boot: network-first in the rule"}, true
	}
	return Cause{}, false
}

func texts(changes []domainxml.Change) string {
	var all []string
	for _, c := range changes {
		all = append(all, c.String())
	}
	return strings.Join(all, "; ")
}

// cause is what stops a boot at an interface's port.
func (i Interface) cause(server bool) (Cause, bool) {
	if i.Port == nil {
		return Cause{NotSeen, fmt.Sprintf("The port of interface %s cannot be looked at: %s", i.MAC, cmp.Or(i.Error, "it has no device on this node")), ""}, i.Error != ""
	}
	named := i.BootFile != "" && !server // OpenStack's own DHCP is to answer
	if named && i.IgnoresIPXE != nil {
		return i.ignored(), true
	}
	for _, p := range i.Port.Frames {
		var c Cause
		switch p.Verdict {
		case port.Answered:
			c = i.answered(server)
		case port.Dropped:
			c = i.dropped(p)
		default:
			continue
		}
		// Port security lets OpenStack's own DHCP pass, and OVN is it.
		if !named || c.Kind == NWFilter {
			return c, true
		}
	}
	return Cause{}, false
}

func (i Interface) ignored() Cause {
	return Cause{Ignored, fmt.Sprintf("%s has its boot file, %s, and ignores iPXE, which never hears of it. Only a tenant's own DHCP server can boot it.", i.IgnoresIPXE.Server, i.BootFile), i.IgnoresIPXE.Do}
}

func (i Interface) answered(server bool) Cause {
	text := "OVN answers its DHCP requests itself"
	if i.Port.Offer != nil {
		text += fmt.Sprintf(", with %s", i.Port.Offer)
	}
	text += ". A tenant's server never hears them."
	if server {
		return Cause{OVNAnswers, text, "openstack port set --extra-dhcp-option name=dhcp_disabled,value=true " + i.neutron()}
	}
	return Cause{OVNAnswers, text, i.bootFile() + ", or openstack subnet set --no-dhcp SUBNET where a tenant's DHCP server is to answer"}
}

// dropped tells libvirt's filters from Neutron's by what the interface has.
func (i Interface) dropped(p port.Passage) Cause {
	if i.Filter != "" && i.Port.Switch == port.LinuxBridge && strings.Contains(p.Rule, i.Device) && !strings.HasPrefix(p.Rule, "neutron") {
		return Cause{NWFilter, fmt.Sprintf("libvirt's nwfilter %s drops the %s: %s", i.Filter, p.Frame, p.Rule),
			"filterref: remove, or replace:virt-netboot-relaxed, in the rule"}
	}
	text := fmt.Sprintf("Port security drops the %s, so a DHCP server of the tenant's own cannot boot it: %s.", p.Frame, p.Rule)
	return Cause{Security, text + " OpenStack's own DHCP can, with a boot file on the port; or the port is opened.",
		i.bootFile() + ", or openstack port set --no-security-group --disable-port-security " + i.neutron()}
}

func (i Interface) bootFile() string {
	return "openstack port set --extra-dhcp-option name=bootfile-name,value=URL " + i.neutron()
}

// neutron names the port for the openstack command.
func (i Interface) neutron() string {
	return cmp.Or(i.Neutron, "$(openstack port list --mac-address "+i.MAC+" -f value -c ID)")
}

// ask is the command that asks who answers DHCP.
func (e Explanation) ask() string {
	for _, i := range e.Interfaces {
		if i.Port != nil && i.Port.Switch == port.LinuxBridge {
			return "virt-netboot probe --bridge " + i.Port.Bridge
		}
	}
	return ""
}
