package libvirt

import (
	"os"
	"strings"
)

// Direct is where libvirt's daemon listens while the gateway has its usual path
// (virt-netboot takeover).
func Direct(usual string) string { return usual + "-direct" }

// Usual is where clients look for the daemon that listens at path.
func Usual(path string) string { return strings.TrimSuffix(path, Direct("")) }

// The sockets of libvirt's daemons with the QEMU driver. Where virtqemud runs,
// virtproxyd has libvirtd's, and leads from there to virtqemud's.
const (
	VirtqemudSocket = "/run/libvirt/virtqemud-sock"
	LibvirtdSocket  = "/run/libvirt/libvirt-sock"
)

// DefaultUpstream is where libvirt's QEMU driver listens: virtqemud's socket if
// it is there, else libvirtd's. One that was moved aside for the gateway comes
// first.
func DefaultUpstream() string {
	for _, path := range []string{Direct(VirtqemudSocket), Direct(LibvirtdSocket), VirtqemudSocket} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return LibvirtdSocket
}

// Upstream is where libvirt's own socket is: at the configured path, or where that
// is "", at DefaultUpstream.
func Upstream(configured string) string {
	if configured != "" {
		return configured
	}
	return DefaultUpstream()
}
