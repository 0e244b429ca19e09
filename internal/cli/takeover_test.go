package cli

import (
	"testing"

	"github.com/virt-netboot/virt-netboot/internal/takeover"
)

func TestDescribe(t *testing.T) {
	const (
		virtd = "/etc/systemd/system/libvirtd.socket.d/50-virt-netboot.conf"
		qemud = "/etc/systemd/system/virtqemud.socket.d/50-virt-netboot.conf"
	)
	for want, s := range map[string]takeover.State{
		"disabled: clients get to the gateway by its own socket only": {Active: []string{"virtqemud.socket"}},
		"enabled: /run/libvirt/virtqemud-sock is the gateway's, virtqemud is at /run/libvirt/virtqemud-sock-direct": {
			Active: []string{"virtqemud.socket"}, Files: []string{qemud},
		},
		"enabled, but bypassed: the agent did not start, and /run/libvirt/libvirt-sock leads straight to libvirtd; see journalctl -u virt-netboot": {
			Active: []string{"libvirtd.socket"}, Files: []string{virtd}, Bypassed: []string{"/run/libvirt/libvirt-sock"},
		},
		"enabled for libvirtd, but this node has moved to virtqemud, whose clients go past the gateway: virt-netboot takeover disable, and then enable": {
			Active: []string{"virtqemud.socket", "virtproxyd.socket"}, Files: []string{virtd},
		},
	} {
		if got := describe(s); got != want {
			t.Errorf("%+v:\n%s, want\n%s", s, got, want)
		}
	}
}
