package explain

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/agent/libvirt/domain"
	"github.com/virt-netboot/virt-netboot/agent/reconcile/decide"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/port"
)

// running is an instance that nothing stops.
func running(change func(*Explanation)) Explanation {
	e := Explanation{
		Name: "instance-1", Active: true, Rule: "all", Boots: domainxml.BootsFromNetwork,
		Interfaces: []Interface{{MAC: "fa:16:3e:50:43:cd", Device: "tap3e5043cd-10", InBootOrder: true, Port: &port.Report{Switch: port.LinuxBridge, Bridge: "brq1"}}},
	}
	change(&e)
	return e
}

func passages(e *Explanation, in port.Switch, all ...port.Passage) {
	e.Interfaces[0].Port.Switch, e.Interfaces[0].Port.Frames = in, all
}

// TestFind goes from the definition to the port: each row has the cause of the next one,
// too, where both can be.
func TestFind(t *testing.T) {
	order := domainxml.Change{Kind: domainxml.ChangeBootOrder, From: "hd", To: "network, hd"}
	kernel := domainxml.Warning{Kind: domainxml.WarningKernel, Kernel: "/k"}
	drop := port.Passage{Frame: "ARP from 10.77.0.2", Verdict: port.Dropped, Rule: "neutronARP-tap3e5043cd-10 -j DROP"}
	ignores := &IgnoresIPXE{Server: "neutron-dhcp-agent's dnsmasq (pid 7)", Do: "remove dhcp-ignore from /etc/neutron/dnsmasq.conf; then systemctl restart neutron-dhcp-agent"}
	for name, c := range map[string]struct {
		e      Explanation
		server bool
		kind   Kind
		do     string
	}{
		"unreadable": {e: running(func(e *Explanation) { e.Unreadable, e.Reverted = "line 3", true }), kind: Unreadable},
		"reverted": {e: running(func(e *Explanation) { e.Reverted, e.Rule = true, "" }), kind: Reverted,
			do: "virt-netboot apply instance-1"},
		"no rule": {e: running(func(e *Explanation) { e.Rule, e.Changes = "", []domainxml.Change{order} }), kind: NoRule,
			do: "edit the rules in /etc/virt-netboot/config.yaml, then virt-netboot check"},
		"observe": {e: running(func(e *Explanation) { e.Observe, e.Changes = true, []domainxml.Change{order} }), kind: Observed,
			do: "virt-netboot enable"},
		"observe, and nothing to change": {e: running(func(e *Explanation) { e.Observe, e.Active = true, false }), kind: NotRunning,
			do: "virsh start instance-1"},
		"not in sync": {e: running(func(e *Explanation) {
			e.Changes, e.Warnings = []domainxml.Change{order}, []domainxml.Warning{kernel}
		}), kind: NotInSync, do: "virt-netboot apply instance-1"},
		"a kernel": {e: running(func(e *Explanation) { e.Warnings, e.Active = []domainxml.Warning{kernel}, false }), kind: Warned},
		"a warning of what may happen": {e: running(func(e *Explanation) {
			e.Warnings = []domainxml.Warning{{Kind: domainxml.WarningNetworkBehind}}
			passages(e, port.LinuxBridge, drop)
		}), kind: Security, do: "openstack port set --extra-dhcp-option name=bootfile-name,value=URL $(openstack port list --mac-address fa:16:3e:50:43:cd -f value -c ID), or openstack port set --no-security-group --disable-port-security $(openstack port list --mac-address fa:16:3e:50:43:cd -f value -c ID)"},
		"one that stops it behind that": {e: running(func(e *Explanation) {
			e.Warnings = []domainxml.Warning{{Kind: domainxml.WarningNetworkBehind}, kernel}
		}), kind: Warned},
		"not running": {e: running(func(e *Explanation) { e.Active = false }), kind: NotRunning, do: "virsh start instance-1"},
		"started before the rule": {e: running(func(e *Explanation) {
			e.Pending, e.Boots = []domainxml.Change{order}, domainxml.BootsFromDisk
		}), kind: AtNext, do: "virsh shutdown instance-1, then virsh start instance-1"},
		"boot: keep": {e: running(func(e *Explanation) {
			e.Boots = domainxml.BootsFromDisk
			passages(e, port.LinuxBridge, drop)
		}), kind: KeepsOrder, do: "boot: network-first in the rule"},
		"libvirt's nwfilter": {e: running(func(e *Explanation) {
			e.Interfaces[0].Filter = "nova-base"
			passages(e, port.LinuxBridge, port.Passage{Frame: "ARP from 10.77.0.2", Verdict: port.Dropped, Rule: "I-tap3e5043cd-10-arp-ip -j DROP"})
		}), kind: NWFilter, do: "filterref: remove, or replace:virt-netboot-relaxed, in the rule"},
		"port security, and OpenStack names the boot file": {e: running(func(e *Explanation) {
			passages(e, port.LinuxBridge, drop)
			e.Interfaces[0].BootFile = "http://10.20.0.77/boot.ipxe"
		}), kind: Nothing, do: "virt-netboot probe --bridge brq1"},
		"port security, a boot file and a server of the tenant's": {server: true, e: running(func(e *Explanation) {
			passages(e, port.LinuxBridge, drop)
			e.Interfaces[0].BootFile, e.Interfaces[0].Neutron = "http://10.20.0.77/boot.ipxe", "5f3cd2a1"
		}), kind: Security,
			do: "openstack port set --extra-dhcp-option name=bootfile-name,value=URL 5f3cd2a1, or openstack port set --no-security-group --disable-port-security 5f3cd2a1"},
		"port security": {e: running(func(e *Explanation) {
			e.Interfaces[0].Neutron = "3e5043cd-10aa"
			passages(e, port.LinuxBridge, port.Passage{Verdict: port.Passes}, drop)
		}), kind: Security, do: "openstack port set --extra-dhcp-option name=bootfile-name,value=URL 3e5043cd-10aa, or openstack port set --no-security-group --disable-port-security 3e5043cd-10aa"},
		"a boot file of a server's that ignores iPXE": {e: running(func(e *Explanation) {
			passages(e, port.LinuxBridge, drop)
			e.Interfaces[0].BootFile, e.Interfaces[0].IgnoresIPXE = "http://10.20.0.77/boot.ipxe", ignores
		}), kind: Ignored, do: ignores.Do},
		"that, and a server of the tenant's": {server: true, e: running(func(e *Explanation) {
			e.Interfaces[0].BootFile, e.Interfaces[0].IgnoresIPXE = "http://10.20.0.77/boot.ipxe", ignores
		}), kind: Nothing, do: "virt-netboot probe --bridge brq1"},
		"a boot file, and libvirt's nwfilter behind port security": {e: running(func(e *Explanation) {
			e.Interfaces[0].Filter, e.Interfaces[0].BootFile = "nova-base", "http://10.20.0.77/boot.ipxe"
			passages(e, port.LinuxBridge, drop, port.Passage{Verdict: port.Dropped, Rule: "I-tap3e5043cd-10-arp-ip -j DROP"})
		}), kind: NWFilter, do: "filterref: remove, or replace:virt-netboot-relaxed, in the rule"},
		"OVN": {e: running(func(e *Explanation) { passages(e, port.OVN, port.Passage{Verdict: port.Answered}, drop) }), kind: OVNAnswers,
			do: "openstack port set --extra-dhcp-option name=bootfile-name,value=URL $(openstack port list --mac-address fa:16:3e:50:43:cd -f value -c ID), or openstack subnet set --no-dhcp SUBNET where a tenant's DHCP server is to answer"},
		"OVN names the boot file": {e: running(func(e *Explanation) {
			passages(e, port.OVN, port.Passage{Verdict: port.Answered}, drop)
			e.Interfaces[0].BootFile = "http://10.20.0.77/boot.ipxe"
		}), kind: Nothing},
		"OVN, a tenant's server": {e: running(func(e *Explanation) { passages(e, port.OVN, port.Passage{Verdict: port.Answered}) }), server: true, kind: OVNAnswers,
			do: "openstack port set --extra-dhcp-option name=dhcp_disabled,value=true $(openstack port list --mac-address fa:16:3e:50:43:cd -f value -c ID)"},
		"a port that cannot be looked at": {e: running(func(e *Explanation) { e.Interfaces[0].Port, e.Interfaces[0].Error = nil, "not permitted" }), kind: NotSeen},
		"nothing":                         {e: running(func(*Explanation) {}), kind: Nothing, do: "virt-netboot probe --bridge brq1"},
		"a second interface that nothing stops": {e: running(func(e *Explanation) {
			passages(e, port.OpenVSwitch, drop)
			e.Interfaces = append(e.Interfaces, Interface{MAC: "fa:16:3e:50:43:ce", InBootOrder: true, Port: &port.Report{}})
		}), kind: Nothing},
		"a second interface that is not in the boot order": {e: running(func(e *Explanation) {
			passages(e, port.OpenVSwitch, drop)
			e.Interfaces = append(e.Interfaces, Interface{MAC: "fa:16:3e:50:43:ce", Port: &port.Report{}})
		}), kind: Security, do: "openstack port set --extra-dhcp-option name=bootfile-name,value=URL $(openstack port list --mac-address fa:16:3e:50:43:cd -f value -c ID), or openstack port set --no-security-group --disable-port-security $(openstack port list --mac-address fa:16:3e:50:43:cd -f value -c ID)"},
		"the second interface alone is in the boot order": {e: running(func(e *Explanation) {
			passages(e, port.OVN, drop)
			e.Interfaces[0].InBootOrder = false
			e.Interfaces = append(e.Interfaces, Interface{MAC: "fa:16:3e:50:43:ce", InBootOrder: true, Neutron: "5f3cd2a1",
				Port: &port.Report{Switch: port.OVN, Frames: []port.Passage{{Verdict: port.Answered}}}})
		}), server: true, kind: OVNAnswers, do: "openstack port set --extra-dhcp-option name=dhcp_disabled,value=true 5f3cd2a1"},
		"both are stopped": {e: running(func(e *Explanation) {
			passages(e, port.OVN, port.Passage{Verdict: port.Answered})
			e.Interfaces = append(e.Interfaces, Interface{MAC: "fa:16:3e:50:43:ce", InBootOrder: true, Error: "not permitted"})
		}), server: true, kind: OVNAnswers,
			do: "openstack port set --extra-dhcp-option name=dhcp_disabled,value=true $(openstack port list --mac-address fa:16:3e:50:43:cd -f value -c ID)"},
		"what is unknown stops nothing": {e: running(func(e *Explanation) { passages(e, port.OpenVSwitch, port.Passage{Verdict: port.Unknown}) }),
			kind: Nothing},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.e.Find(c.server)
			if diff := cmp.Diff(Cause{Kind: c.kind, Do: c.do}, Cause{Kind: got.Kind, Do: got.Do}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Text == "" {
				t.Error("it does not say why")
			}
		})
	}
}

// TestNew reads the interfaces of a running guest of Nova's.
func TestNew(t *testing.T) {
	const live = `<domain type='kvm'>
  <metadata>
    <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
      <nova:ports>
        <nova:port uuid="5f3cd2a1-0b7e-4a52-9f59-4f2f7f3a1c11"><nova:ip type="fixed" address="10.1.0.3" ipVersion="4"/></nova:port>
      </nova:ports>
    </nova:instance>
  </metadata>
  <devices>
    <interface type='bridge'><mac address='fa:16:3e:50:43:cd'/><target dev='tap5f3cd2a1-0b'/><filterref filter='nova-base'/></interface>
    <interface type='user'/>
  </devices>
</domain>`
	d := decide.Decision{State: domain.State{Domain: domain.Domain{Name: "instance-1", Active: true}, Live: []byte(live)}}
	e, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	want := []Interface{
		{MAC: "fa:16:3e:50:43:cd", Device: "tap5f3cd2a1-0b", ROM: "default", Filter: "nova-base", Neutron: "5f3cd2a1-0b7e-4a52-9f59-4f2f7f3a1c11"},
		{ROM: "default"},
	}
	if diff := cmp.Diff(want, e.Interfaces); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
	d.Facts.Unreadable = errors.New("line 3")
	if e, err := New(d); err != nil || e.Unreadable != "line 3" || len(e.Interfaces) != 0 {
		t.Errorf("an unreadable document: %+v, %v", e, err)
	}
}
