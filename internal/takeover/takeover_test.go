package takeover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	qemudDropIn = "/etc/systemd/system/virtqemud.socket.d/50-virt-netboot.conf"
	virtdDropIn = "/etc/systemd/system/libvirtd.socket.d/50-virt-netboot.conf"
)

// steps are a plan's, a line each without the content of files.
func steps(list []Step) []string {
	var lines []string
	for _, s := range list {
		line, _, _ := strings.Cut(s.String(), "\n")
		lines = append(lines, line)
	}
	return lines
}

// activeOf are the units of a daemon that runs and has two sockets.
func activeOf(daemon string) []string {
	return []string{daemon + ".socket", daemon + "-ro.socket", daemon + ".service"}
}

func enabling(daemon, path string) []string {
	return []string{
		"cat >/etc/systemd/system/" + daemon + ".socket.d/50-virt-netboot.conf <<EOF",
		"cat >/etc/systemd/system/virt-netboot.socket.d/50-takeover.conf <<EOF",
		"systemctl stop " + daemon + ".socket " + daemon + "-ro.socket",
		"systemctl stop " + daemon + ".service",
		"systemctl daemon-reload",
		"systemctl start " + daemon + ".socket " + daemon + "-ro.socket",
		"systemctl start " + daemon + ".service",
		"systemctl reset-failed virt-netboot.socket virt-netboot.service",
		"systemctl restart virt-netboot.socket virt-netboot.service",
		"virsh -c 'qemu+unix:///system?socket=" + path + "' version",
	}
}

func releasing(daemon, path string) []string {
	return []string{
		"rm -f /etc/systemd/system/virt-netboot.socket.d/50-takeover.conf",
		"rm -f /etc/systemd/system/" + daemon + ".socket.d/50-virt-netboot.conf",
		"systemctl stop virt-netboot.service virt-netboot.socket",
		"systemctl stop " + daemon + ".socket " + daemon + "-ro.socket",
		"systemctl stop " + daemon + ".service",
		"systemctl daemon-reload",
		"rm -f " + path + "-direct",
		"systemctl start " + daemon + ".socket " + daemon + "-ro.socket",
		"systemctl start " + daemon + ".service",
		"systemctl reset-failed virt-netboot.socket virt-netboot.service",
		"systemctl start virt-netboot.socket virt-netboot.service",
		"virsh -c 'qemu+unix:///system?socket=" + path + "' version",
	}
}

func TestEnable(t *testing.T) {
	const qemud, virtd = "/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock"
	for _, test := range []struct {
		name           string
		state          State
		want, rollback []string
		err            string
	}{
		{"libvirtd", State{Active: activeOf("libvirtd")}, enabling("libvirtd", virtd), releasing("libvirtd", virtd), ""},
		{"virtqemud beside libvirtd", State{Active: append(activeOf("libvirtd"), activeOf("virtqemud")...)}, enabling("virtqemud", qemud), releasing("virtqemud", qemud), ""},
		{
			"once more, while the socket is down", State{Active: []string{"libvirtd-ro.socket", "libvirtd.service"}, Files: []string{virtdDropIn, gatewayDropIn}},
			enabling("libvirtd", virtd), releasing("libvirtd", virtd), "",
		},
		{
			"once more, with the other daemon's socket up", State{Active: append(activeOf("virtqemud"), "libvirtd-ro.socket", "libvirtd.service"), Files: []string{virtdDropIn}},
			enabling("libvirtd", virtd), releasing("libvirtd", virtd), "",
		},
		{
			"once more, on a node that has moved to virtqemud", State{Active: activeOf("virtqemud"), Files: []string{virtdDropIn, gatewayDropIn}}, nil, nil,
			"it is libvirtd that the gateway is in front of, and this node has moved to virtqemud: virt-netboot takeover disable first",
		},
		{"no libvirt", State{}, nil, nil, "neither virtqemud.socket nor libvirtd.socket is active"},
		{"libvirtd with a socket of its own", State{Active: []string{"libvirtd.service"}}, nil, nil, "libvirtd.service runs without libvirtd.socket"},
		{"an upstream of its own", State{Active: []string{"libvirtd.socket"}, Upstream: virtd}, nil, nil, "gateway.upstream is /run/libvirt/libvirt-sock: remove it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := Enable(test.state)
			if got := fmt.Sprint(err); test.err != "" && !strings.Contains(got, test.err) || test.err == "" && err != nil {
				t.Fatalf("error %v, want %q", err, test.err)
			}
			if diff := cmp.Diff(test.want, steps(p.Steps)); diff != "" {
				t.Errorf("steps: -want +got:\n%s", diff)
			}
			if diff := cmp.Diff(test.rollback, steps(p.Rollback)); diff != "" {
				t.Errorf("rollback: -want +got:\n%s", diff)
			}
		})
	}
}

// TestIdleDaemon: one that nobody needs has ended, and is not started either.
func TestIdleDaemon(t *testing.T) {
	p, err := Enable(State{Active: []string{"libvirtd.socket", "libvirtd-admin.socket"}})
	if err != nil {
		t.Fatal(err)
	}
	var starts []string
	for _, line := range steps(p.Steps) {
		if strings.HasPrefix(line, "systemctl start ") {
			starts = append(starts, line)
		}
	}
	if diff := cmp.Diff([]string{"systemctl start libvirtd.socket libvirtd-admin.socket"}, starts); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDisable(t *testing.T) {
	leaving := []string{ // libvirtd for virtqemud
		"rm -f " + gatewayDropIn,
		"rm -f " + virtdDropIn,
		"systemctl stop virt-netboot.service virt-netboot.socket",
		"systemctl stop libvirtd.socket",
		"systemctl stop libvirtd.service",
		"systemctl daemon-reload",
		"rm -f /run/libvirt/libvirt-sock-direct",
		"systemctl reset-failed virt-netboot.socket virt-netboot.service",
		"systemctl start virt-netboot.socket virt-netboot.service",
	}
	for _, test := range []struct {
		name  string
		state State
		want  []string
	}{
		{"not enabled", State{Active: []string{"libvirtd.socket"}}, nil},
		{"libvirtd", State{Active: activeOf("libvirtd"), Files: []string{virtdDropIn, gatewayDropIn}}, releasing("libvirtd", "/run/libvirt/libvirt-sock")},
		{"virtqemud", State{Active: activeOf("virtqemud"), Files: []string{qemudDropIn, gatewayDropIn}}, releasing("virtqemud", "/run/libvirt/virtqemud-sock")},
		{"libvirtd, on a node that has moved to virtqemud", State{Active: activeOf("virtqemud"), Files: []string{virtdDropIn, gatewayDropIn}}, leaving},
		{
			"libvirtd, where virtproxyd has its path now", State{Active: append(activeOf("virtqemud"), activeOf("virtproxyd")...), Files: []string{virtdDropIn, gatewayDropIn}},
			append(slices.Clone(leaving),
				"systemctl stop virtproxyd.socket virtproxyd-ro.socket",
				"systemctl stop virtproxyd.service",
				"systemctl start virtproxyd.socket virtproxyd-ro.socket",
				"systemctl start virtproxyd.service",
				"virsh -c 'qemu+unix:///system?socket=/run/libvirt/libvirt-sock' version"),
		},
		{
			"virtqemud, on a node that has moved back to libvirtd", State{Active: activeOf("libvirtd"), Files: []string{qemudDropIn, gatewayDropIn}}, []string{
				"rm -f " + gatewayDropIn,
				"rm -f " + qemudDropIn,
				"systemctl stop virt-netboot.service virt-netboot.socket",
				"systemctl stop virtqemud.socket",
				"systemctl stop virtqemud.service",
				"systemctl daemon-reload",
				"rm -f /run/libvirt/virtqemud-sock-direct",
				"systemctl reset-failed virt-netboot.socket virt-netboot.service",
				"systemctl start virt-netboot.socket virt-netboot.service",
			},
		},
		{"both, as nobody should have it", State{Active: append(activeOf("libvirtd"), activeOf("virtqemud")...), Files: []string{qemudDropIn, virtdDropIn}}, slices.Concat(
			releasing("virtqemud", "/run/libvirt/virtqemud-sock"), releasing("libvirtd", "/run/libvirt/libvirt-sock"))},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := Disable(test.state)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, steps(p.Steps)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestDropIns: a list of sockets in systemd adds up, so libvirt's has to be emptied
// first, and the gateway's must not be.
func TestDropIns(t *testing.T) {
	p, err := Enable(State{Active: []string{"libvirtd.socket"}})
	if err != nil {
		t.Fatal(err)
	}
	const by = "# Made by virt-netboot takeover enable, removed by virt-netboot takeover disable.\n"
	want := []string{
		by + "[Socket]\nListenStream=\nListenStream=/run/libvirt/libvirt-sock-direct\n",
		by + "[Socket]\nListenStream=/run/libvirt/libvirt-sock\n",
	}
	if diff := cmp.Diff(want, []string{p.Steps[0].Content, p.Steps[1].Content}); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// failing records the steps, and fails those that it is told to.
type failing struct {
	done []string
	fail []string
}

func (f *failing) do(s Step) error {
	f.done = append(f.done, s.String())
	if slices.Contains(f.fail, s.String()) {
		return errors.New(s.String() + " fails")
	}
	return nil
}

func (f *failing) Write(path, content string) error { return f.do(write(path, content)) }
func (f *failing) Remove(path string) error         { return f.do(remove(path)) }
func (f *failing) Systemctl(_ context.Context, args ...string) error {
	return f.do(systemctl(args...))
}
func (f *failing) Connect(_ context.Context, path string) error { return f.do(connect(path)) }

func TestRun(t *testing.T) {
	a, b, c := systemctl("a"), systemctl("b"), systemctl("c")
	undo, undo2 := systemctl("undo"), systemctl("undo2")
	for _, test := range []struct {
		name string
		plan Plan
		fail []string
		done []string
		err  string
	}{
		{"all goes well", Plan{Steps: []Step{a, b}, Rollback: []Step{undo}}, nil, []string{"a", "b"}, ""},
		{"nothing to do", Plan{}, nil, nil, ""},
		{"rolled back", Plan{Steps: []Step{a, b, c}, Rollback: []Step{undo, undo2}}, []string{"b"}, []string{"a", "b", "undo", "undo2"}, "systemctl b fails; everything is as it was"},
		{"the rollback fails too, and goes on", Plan{Steps: []Step{a, b}, Rollback: []Step{undo, undo2}}, []string{"b", "undo"}, []string{"a", "b", "undo", "undo2"}, "not all is done that should be"},
		{"without a rollback it goes on", Plan{Steps: []Step{a, b, c}}, []string{"b"}, []string{"a", "b", "c"}, "systemctl b fails; the other steps are done"},
		{"what need not succeed", Plan{Steps: []Step{a.unchecked(), b}, Rollback: []Step{undo}}, []string{"a"}, []string{"a", "b"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var want, fail []string
			for _, arg := range test.done {
				want = append(want, "systemctl "+arg)
			}
			for _, arg := range test.fail {
				fail = append(fail, "systemctl "+arg)
			}
			f := &failing{fail: fail}
			err := test.plan.Run(context.Background(), f)
			if test.err == "" && err != nil || test.err != "" && !strings.Contains(fmt.Sprint(err), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if diff := cmp.Diff(want, f.done); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
