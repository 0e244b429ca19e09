package libvirt

import (
	"os"
	"strings"
)

// Direct is where libvirt's daemon listens while the gateway has its usual path
// (virt-netboot enable).
func Direct(usual string) string { return usual + "-direct" }

// Usual is the path that clients use for the daemon that listens at path.
func Usual(path string) string { return strings.TrimSuffix(path, Direct("")) }

// The sockets of libvirt's daemons with the QEMU driver. Where virtqemud runs,
// virtproxyd listens on libvirtd's and connects its clients to virtqemud.
const (
	VirtqemudSocket = "/run/libvirt/virtqemud-sock"
	LibvirtdSocket  = "/run/libvirt/libvirt-sock"
)

// DefaultUpstream is the socket of libvirt's QEMU driver: virtqemud's if it is there,
// else libvirtd's. One that a takeover has moved aside comes first.
func DefaultUpstream() string {
	for _, path := range []string{Direct(VirtqemudSocket), Direct(LibvirtdSocket), VirtqemudSocket} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return LibvirtdSocket
}

// Upstream is the path of libvirt's own socket: the configured one, or DefaultUpstream
// where that is "".
func Upstream(configured string) string {
	if configured != "" {
		return configured
	}
	return DefaultUpstream()
}
