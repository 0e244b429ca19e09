package agent

import (
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/bootsector"
	"github.com/virt-netboot/virt-netboot/internal/initrd"
)

// rewriter applies the rules in force.
func (a *Agent) rewriter() domainxml.Rewriter {
	return domainxml.Rewriter{
		Policy:     a.config.Current().Policy(),
		ReadInitrd: a.storage.initrds.ReadHead,
		ReadDisk:   a.storage.disks.Read,
		NWFilter:   a.filters.get,
	}
}

// storage reads what guests boot from. Components share it: where a file server is
// gone, all reads of one file wait as one.
type storage struct {
	disks   *bootsector.Reader
	initrds *initrd.Reader
}

func newStorage() storage { return storage{bootsector.New(), initrd.New()} }
