package cli

import (
	"errors"
	"testing"

	"github.com/virt-netboot/virt-netboot/internal/takeover"
)

func TestStanding(t *testing.T) {
	const (
		libvirtd  = "/etc/systemd/system/libvirtd.socket.d/50-virt-netboot.conf"
		virtqemud = "/etc/systemd/system/virtqemud.socket.d/50-virt-netboot.conf"
		enforce   = "mode: enforce\n"
		answers   = "; libvirt 9.0.0 answers at /run/libvirt/libvirt-sock"
	)
	for _, test := range []struct {
		want   string
		state  takeover.State
		unwell bool
	}{
		{"disabled: nothing is changed, and libvirt has its own path; libvirt 9.0.0 answers at /run/libvirt/virtqemud-sock", takeover.State{Active: []string{"virtqemud.socket"}}, false},
		{
			"disabled: nothing is changed, and libvirt has its own path; libvirt does not answer at /run/libvirt/libvirt-sock: refused",
			takeover.State{Active: []string{"libvirtd.socket"}, Unreachable: errors.New("refused")}, false,
		},
		{"enabled, at the gateway's own socket only" + answers, takeover.State{Active: []string{"libvirtd.socket"}, Config: enforce}, false},
		{
			"enabled: /run/libvirt/virtqemud-sock is the gateway's, virtqemud is at /run/libvirt/virtqemud-sock-direct; libvirt 9.0.0 answers at /run/libvirt/virtqemud-sock",
			takeover.State{Active: []string{"virtqemud.socket"}, Files: []string{virtqemud}, Config: enforce}, false,
		},
		{
			"only observing: /run/libvirt/libvirt-sock is the gateway's, libvirtd is at /run/libvirt/libvirt-sock-direct" + answers,
			takeover.State{Active: []string{"libvirtd.socket"}, Files: []string{libvirtd}}, false,
		},
		{
			"enabled: /run/libvirt/libvirt-sock is the gateway's, libvirtd is at /run/libvirt/libvirt-sock-direct; libvirt does not answer at /run/libvirt/libvirt-sock: refused",
			takeover.State{Active: []string{"libvirtd.socket"}, Files: []string{libvirtd}, Config: enforce, Unreachable: errors.New("refused")}, true,
		},
		{
			"enabled: /run/libvirt/libvirt-sock is the gateway's, libvirtd is at /run/libvirt/libvirt-sock-direct; a change of that is under way" + answers,
			takeover.State{Active: []string{"libvirtd.socket"}, Files: []string{libvirtd}, Config: enforce, Intent: &takeover.Intent{}}, true,
		},
		{
			"enabled, but a power cut has damaged " + libvirtd + ": virt-netboot enable writes it once more" + answers,
			takeover.State{Active: []string{"libvirtd.socket"}, Files: []string{libvirtd}, Torn: []string{libvirtd}, Config: enforce}, true,
		},
		{
			"enabled, but bypassed: the agent does not run, and /run/libvirt/libvirt-sock leads straight to libvirt; virt-netboot-bypass.service tries it again, and journalctl -u virt-netboot says what is wrong" + answers,
			takeover.State{Active: []string{"libvirtd.socket"}, Files: []string{libvirtd}, Bypassed: []string{"/run/virt-netboot/libvirt-sock", "/run/libvirt/libvirt-sock"}, Config: enforce}, true,
		},
		{
			"enabled, in front of libvirtd, but this node has moved to virtqemud, whose clients bypass the gateway: virt-netboot disable && virt-netboot enable; libvirt 9.0.0 answers at /run/libvirt/virtqemud-sock",
			takeover.State{Active: []string{"virtqemud.socket", "virtproxyd.socket"}, Files: []string{libvirtd}, Config: enforce}, true,
		},
	} {
		if test.state.Unreachable == nil {
			test.state.Version = "9.0.0"
		}
		if got := standing(test.state); got != test.want {
			t.Errorf("%+v:\n%s, want\n%s", test.state, got, test.want)
		}
		if got := unwell(test.state); got != test.unwell {
			t.Errorf("%s: unwell %v, want %v", test.want, got, test.unwell)
		}
	}
}
