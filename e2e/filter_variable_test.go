package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"

	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/nwfilter"
	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestFilterVariables has libvirt put its own nwfilters on an interface, with several
// sets of parameters: it does so exactly where virt-netboot says that it will.
func TestFilterVariables(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		const port = "tapfilter"
		ip(t, l, "link add "+port+" type veth peer name "+port+"2")
		conn, err := libvirt.Dial(t.Context(), lab.LibvirtSocket)
		must(t, err)
		defer conn.Close()
		refused := 0
		for _, name := range []string{"allow-arp", "no-mac-spoofing", "no-ip-spoofing", "allow-dhcp-server", "clean-traffic-gateway"} {
			filter, err := nwfilter.Inspect(t.Context(), conn, name)
			must(t, err)
			for _, params := range []filterParams{
				{},
				{"IP": "192.0.2.2"},
				{"CTRL_IP_LEARNING": "none"},
				{"GATEWAY_MAC": "fa:16:3e:00:00:01"},
				{"IP": "192.0.2.2", "DHCPSERVER": "192.0.2.1", "GATEWAY_MAC": "fa:16:3e:00:00:01"},
			} {
				lacks := filter.Unresolved(params.libvirtxml())
				out, err := l.Virsh(t.Context(), "nwfilter-binding-create", bindingFile(t, port, "fa:16:3e:00:00:02", name, params))
				if err == nil {
					virsh(t, l, "nwfilter-binding-delete", port)
				} else {
					refused++
				}
				if (err != nil) != (len(lacks) > 0) {
					t.Errorf("%s with %v lacks %v; libvirt says %v %s", name, params, lacks, err, out)
				}
			}
		}
		if refused == 0 {
			t.Error("libvirt has refused none")
		}
	})
}

// TestFilterVariable names one of libvirt's own nwfilters that needs more than Nova
// gives: the guest keeps the one that it has, starts, and starts again.
func TestFilterVariable(t *testing.T) {
	const needs = "clean-traffic-gateway"
	config := "rules: [{name: strict, filterref: \"replace:" + needs + "\"}]\n"
	lab.Run(t, lab.Options{Hook: true, Config: config}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-raw-filterref")
		before := g.Domain.Devices.Interfaces[0].FilterRef.Filter

		text, err := os.ReadFile(g.File)
		must(t, err)
		as := strings.Replace(string(text), "filter=\""+before+"\"", "filter=\""+needs+"\"", 1)
		virsh(t, l, "define", writeFile(t, "as-the-rule-says.xml", as))
		if out, err := l.Virsh(t.Context(), "start", "--paused", g.Name); err == nil {
			t.Errorf("libvirt starts a guest with %s and Nova's parameters: %s", needs, out)
		}
		virsh(t, l, "undefine", g.Name)

		startAgent(t, l)
		virshGateway(t, l, "define", g.File)
		for range 2 {
			virshGateway(t, l, "start", "--paused", g.Name)
			if got := filters(dumpxml(t, l, g.Name)); !slices.Equal(got, []string{before}) {
				t.Errorf("the guest has filters %v, want %s", got, before)
			}
			virsh(t, l, "destroy", g.Name)
		}
		// Of each start; libvirt runs the hook before it refuses.
		awaitMessages(t, l, 3, "the nwfilter "+needs+" needs GATEWAY_MAC", "WARNING=filter-variable", "OPERATION=prepare")
		wantFindings(t, l, findings{})
	})
}

func (p filterParams) libvirtxml() []libvirtxml.DomainInterfaceFilterParam {
	var all []libvirtxml.DomainInterfaceFilterParam
	for name, value := range p {
		all = append(all, libvirtxml.DomainInterfaceFilterParam{Name: name, Value: value})
	}
	return all
}
