package doctor

import (
	"context"
	"fmt"

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
	ports := n.Ports()
	for _, d := range n.agent.Domains {
		if !d.Active || !wantsNetwork(d) {
			continue
		}
		t.running++
		e := explanation(d)
		e.Observe = n.agent.Observe
		cause := e.Find(false)
		if cause.Kind == explain.Nothing { // all that is left to look at is its ports
			cause = ofPorts(ctx, conn, ports, e)
		}
		t.add(d.Name, cause)
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

// ofPorts is what stops a running guest at its ports.
func ofPorts(ctx context.Context, conn Libvirt, ports Ports, e explain.Explanation) explain.Cause {
	s, err := conn.ReadListed(ctx, libvirt.Domain{Name: e.Name, UUID: e.UUID, Active: true})
	if err != nil {
		return explain.Cause{Kind: explain.NotSeen}
	}
	running, err := explain.New(decide.Decision{State: s})
	if err != nil {
		return explain.Cause{Kind: explain.NotSeen}
	}
	e.Interfaces = running.Interfaces
	ports.Look(ctx, e.Interfaces, port.AnyBoot())
	return e.Find(false)
}

// tally counts running guests by what stops them.
type tally struct {
	running  int
	kinds    []explain.Kind // in the order in which they were found
	counts   map[explain.Kind]int
	examples map[explain.Kind]string
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
// on another node or once the port's owner asks for it. A dnsmasq that ignores iPXE leaves
// it to the tenant's server, and has a check of its own. A guest that has not started since
// its rule came is none to warn of.
func (t *tally) results() []Result {
	var all []Result
	for _, kind := range t.kinds {
		name := t.examples[kind]
		found := fmt.Sprintf("%d of %d running domains: %s, such as %s", t.counts[kind], t.running, kind, name)
		switch kind {
		case explain.Nothing, explain.KeepsOrder:
		case explain.Security, explain.OVNAnswers:
			all = append(all, ok("%s (virt-netboot explain %s); OpenStack's own DHCP can still name the boot file", found, name))
		case explain.AtNext, explain.NotSeen, explain.Observed, explain.Ignored:
			all = append(all, ok("%s (virt-netboot explain %s)", found, name))
		default:
			all = append(all, warning("virt-netboot explain "+name, "%s", found))
		}
	}
	if len(all) == 0 {
		return one(ok("nothing is found that keeps one of %d running domains from the network", t.running))
	}
	return all
}
