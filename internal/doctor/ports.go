package doctor

import (
	"context"

	"github.com/virt-netboot/virt-netboot/internal/explain"
	"github.com/virt-netboot/virt-netboot/internal/port"
)

// Ports looks at what stands between guests' interfaces and their DHCP servers.
type Ports struct {
	inspect   func(ctx context.Context, device string, boot port.Boot) (port.Report, error)
	bootFiles map[string]bootFile
}

// bootFile is what a DHCP server of OpenStack's names to one port of Neutron's.
type bootFile struct {
	name    string
	ignores *explain.IgnoresIPXE
}

// Ports reads once what is the same for all interfaces.
func (h Host) Ports() Ports { return Ports{h.InspectPort, h.bootFiles()} }

// bootFiles are those that this node's dnsmasqs of OpenStack's name, by the port's ID. One
// that cannot be read names none.
func (h Host) bootFiles() map[string]bootFile {
	all := map[string]bootFile{}
	servers, _ := h.openStackServers()
	for _, s := range servers {
		c, err := h.configurationOf(s)
		if err != nil {
			continue
		}
		var ignores *explain.IgnoresIPXE
		if c.ignoresIPXE() {
			ignores = &explain.IgnoresIPXE{Server: s.String(), Do: s.answerIPXE()}
		}
		for id, name := range c.bootFiles {
			all[id] = bootFile{name, ignores}
		}
	}
	return all
}

// Look fills in the ports of a running guest's interfaces, as they are for a boot from a
// server, and the boot files that OpenStack's own DHCP names to them.
func (p Ports) Look(ctx context.Context, all []explain.Interface, boot port.Boot) {
	for n := range all {
		i := &all[n]
		if boot.MAC = i.Hardware(); boot.MAC == nil || i.Device == "" {
			continue
		}
		named := p.bootFiles[i.Neutron]
		i.BootFile, i.IgnoresIPXE = named.name, named.ignores
		report, err := p.inspect(ctx, i.Device, boot)
		if err != nil {
			i.Error = err.Error()
			continue
		}
		i.Port = &report
		if o := report.Offer; o != nil { // no other server hears its requests
			i.BootFile, i.IgnoresIPXE = o.BootFile, nil
		}
	}
}
