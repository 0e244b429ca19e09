package cli

import (
	"errors"
	"testing"

	"github.com/virt-netboot/virt-netboot/internal/takeover"
)

func TestDescribe(t *testing.T) {
	const (
		virtd = "/etc/systemd/system/libvirtd.socket.d/50-virt-netboot.conf"
		qemud = "/etc/systemd/system/virtqemud.socket.d/50-virt-netboot.conf"
	)
	for want, s := range map[string]takeover.State{
		"disabled: clients get to the gateway by its own socket only; libvirt 9.0.0 answers at /run/libvirt/virtqemud-sock": {
			Active: []string{"virtqemud.socket"},
		},
		"disabled: clients get to the gateway by its own socket only; libvirt does not answer at /run/libvirt/libvirt-sock: refused": {
			Active: []string{"libvirtd.socket"}, Unreachable: errors.New("refused"),
		},
		"enabled: /run/libvirt/virtqemud-sock is the gateway's, virtqemud is at /run/libvirt/virtqemud-sock-direct; libvirt 9.0.0 answers at /run/libvirt/virtqemud-sock": {
			Active: []string{"virtqemud.socket"}, Files: []string{qemud},
		},
		"enabled: /run/libvirt/libvirt-sock is the gateway's, libvirtd is at /run/libvirt/libvirt-sock-direct; a change is under way or was cut: virt-netboot-takeover.service finishes it; libvirt 9.0.0 answers at /run/libvirt/libvirt-sock": {
			Active: []string{"libvirtd.socket"}, Files: []string{virtd}, Intent: &takeover.Intent{},
		},
		"enabled, but not whole, as after a power cut: virt-netboot takeover enable puts " + virtd + " right; libvirt 9.0.0 answers at /run/libvirt/libvirt-sock": {
			Active: []string{"libvirtd.socket"}, Files: []string{virtd}, Torn: []string{virtd},
		},
		"enabled, but bypassed: the agent did not start, and /run/libvirt/libvirt-sock leads straight to libvirtd; see journalctl -u virt-netboot; libvirt 9.0.0 answers at /run/libvirt/libvirt-sock": {
			Active: []string{"libvirtd.socket"}, Files: []string{virtd}, Bypassed: []string{"/run/libvirt/libvirt-sock"},
		},
		"enabled for libvirtd, but this node has moved to virtqemud, whose clients bypass the gateway: virt-netboot takeover disable, and then enable; libvirt 9.0.0 answers at /run/libvirt/virtqemud-sock": {
			Active: []string{"virtqemud.socket", "virtproxyd.socket"}, Files: []string{virtd},
		},
	} {
		if s.Unreachable == nil {
			s.Version = "9.0.0"
		}
		if got := describe(s); got != want {
			t.Errorf("%+v:\n%s, want\n%s", s, got, want)
		}
	}
}
