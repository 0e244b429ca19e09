package doctor

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/agent/reconcile/decide"
	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/explain"
	"github.com/virt-netboot/virt-netboot/internal/port"
)

// checkBoot counts the running guests by the first thing that keeps them from booting from
// the network. What the agent knows is not asked for again. Where the agent or libvirt
// does not answer, their own checks say so.
func checkBoot(ctx context.Context, n *node) []Result {
	if n.agentErr != nil || n.daemonErr != nil || !n.agent.Has(status.ComponentReconcile) {
		return nil
	}
	conn, err := n.Libvirt(ctx, n.upstream())
	if err != nil {
		return one(unknown(err))
	}
	defer conn.Close()
	var t tally
	for _, d := range n.agent.Domains {
		if !d.Active || !wantsNetwork(d) {
			continue
		}
		t.running++
		e := explanation(d)
		e.Observe = n.agent.Observe
		if e.Find(false).Kind == explain.Nothing { // all that is left to look at is its ports
			if e.Interfaces, err = n.ports(ctx, conn, d); err != nil {
				t.unseen++
				continue
			}
		}
		t.add(d.Name, e.Find(false))
	}
	return t.results()
}

// wantsNetwork leaves out what is so on purpose: no rule, a mark, mode: observe, existing:
// keep, a rule that leaves the boot order, a rescue.
func wantsNetwork(d reconcile.DomainStatus) bool {
	own := len(d.Warnings) > 0 && d.Warnings[0].Kind == domainxml.WarningOwnDevice
	return d.Rule != "" && !d.Reverted && !d.Kept && !own
}

// explanation is what the agent knows of a running domain.
func explanation(d reconcile.DomainStatus) explain.Explanation {
	e := explain.Explanation{
		Name: d.Name, UUID: d.UUID, Active: true, Rule: d.Rule, Boots: d.BootsFrom,
		Changes: d.Wanted, Pending: d.Pending, Warnings: d.Warnings,
	}
	if d.Unreadable {
		e.Unreadable = d.Error
	}
	return e
}

// ports looks at the ports of a running guest, for a server in a subnet that OpenStack does
// not know (RFC 5737).
func (n *node) ports(ctx context.Context, conn Libvirt, d reconcile.DomainStatus) ([]explain.Interface, error) {
	s, err := conn.ReadListed(ctx, libvirt.Domain{Name: d.Name, UUID: d.UUID, Active: true})
	if err != nil {
		return nil, err
	}
	e, err := explain.New(decide.Decision{State: s})
	if err != nil {
		return nil, err
	}
	boot := port.Boot{
		Server: netip.AddrFrom4([4]byte{192, 0, 2, 1}), Lease: netip.AddrFrom4([4]byte{192, 0, 2, 2}),
		ServerMAC: net.HardwareAddr{0x02, 0, 0, 0, 0, 0x02},
	}
	for i := range e.Interfaces {
		nic := &e.Interfaces[i]
		if boot.MAC = nic.Hardware(); boot.MAC == nil || nic.Device == "" {
			continue
		}
		report, err := n.InspectPort(ctx, nic.Device, boot)
		if err != nil {
			return nil, err
		}
		nic.Port = &report
	}
	return e.Interfaces, nil
}

// tally counts running guests by what stops them.
type tally struct {
	running, unseen int
	kinds           []explain.Kind // in the order in which they were found
	counts          map[explain.Kind]int
	examples        map[explain.Kind]string
}

func (t *tally) add(domain string, c explain.Cause) {
	if t.counts == nil {
		t.counts, t.examples = map[explain.Kind]int{}, map[explain.Kind]string{}
	}
	if t.counts[c.Kind]++; t.counts[c.Kind] == 1 {
		t.kinds = append(t.kinds, c.Kind)
		t.examples[c.Kind] = domain
	}
}

// results have a warning for what stops a guest for certain. Port security and OVN do so
// only where the tenant has a DHCP server of its own: OpenStack's may name the boot file,
// which this node cannot tell. A guest that has not started since its rule came is none
// to warn of.
func (t *tally) results() []Result {
	var all []Result
	for _, kind := range t.kinds {
		name := t.examples[kind]
		found := fmt.Sprintf("%d of %d running domains: %s, such as %s", t.counts[kind], t.running, kind, name)
		switch kind {
		case explain.Nothing, explain.KeepsOrder:
		case explain.Security, explain.OVNAnswers:
			all = append(all, ok("%s (virt-netboot explain %s); OpenStack's own DHCP can still name the boot file", found, name))
		case explain.AtNext, explain.NotSeen, explain.Observed:
			all = append(all, ok("%s (virt-netboot explain %s)", found, name))
		default:
			all = append(all, warning("virt-netboot explain "+name, "%s", found))
		}
	}
	if t.unseen > 0 {
		all = append(all, ok("the ports of %d running domains could not be looked at", t.unseen))
	}
	if len(all) == 0 {
		return one(ok("nothing is found that keeps one of %d running domains from the network", t.running))
	}
	return all
}
