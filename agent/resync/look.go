package resync

import (
	"time"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// Look says how a file is, and changes nothing. The error is the one that the
// status tells of.
func Look(f config.File, p domainxml.Policy) (Status, error) {
	out, err := patch(f, p, true)
	return newStatus(f, out, err, time.Time{}), err
}
