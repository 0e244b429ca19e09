package takeover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/virt-netboot/virt-netboot/internal/config"
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

// whole are the steps of a change: what is to be done is written down before, and
// taken away after it.
func whole(steps []string) []string {
	return append(append([]string{"cat >" + IntentPath + " <<EOF"}, steps...), finished)
}

// finished is a change's last step.
const finished = "rm -f " + IntentPath

// stopBypass is a change's first step on the node.
const stopBypass = "systemctl stop virt-netboot-bypass.service"

func enabling(daemon, path string) []string {
	return []string{
		stopBypass,
		"cat >/etc/systemd/system/" + daemon + ".socket.d/50-virt-netboot.conf <<EOF",
		"cat >/etc/systemd/system/virt-netboot.socket.d/50-takeover.conf <<EOF",
		"systemctl stop " + daemon + ".socket " + daemon + "-ro.socket",
		"systemctl stop " + daemon + ".service",
		"systemctl daemon-reload",
		"systemctl reset-failed " + daemon + ".socket " + daemon + "-ro.socket " + daemon + ".service",
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
		"systemctl reset-failed " + daemon + ".socket " + daemon + "-ro.socket " + daemon + ".service",
		"systemctl start " + daemon + ".socket " + daemon + "-ro.socket",
		"systemctl start " + daemon + ".service",
		"systemctl reset-failed virt-netboot.socket virt-netboot.service",
		"systemctl start virt-netboot.socket virt-netboot.service",
		"virsh -c 'qemu+unix:///system?socket=" + path + "' version",
	}
}

func disabling(daemon, path string) []string {
	return append([]string{stopBypass}, releasing(daemon, path)...)
}

// enabled is a node whose libvirtd the gateway is in front of.
func enabled(edit func(*State)) State {
	s := State{
		Active: append(activeOf("libvirtd"), "virt-netboot.socket", "virt-netboot.service"),
		Files:  []string{virtdDropIn, gatewayDropIn},
	}
	if edit != nil {
		edit(&s)
	}
	return s
}

const qemud, virtd = "/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock"

func TestPlanInFront(t *testing.T) {
	released := append(releasing("libvirtd", virtd), finished)
	for _, test := range []struct {
		name           string
		state          State
		want, rollback []string
		err            string
	}{
		{"libvirtd", State{Active: activeOf("libvirtd")}, whole(enabling("libvirtd", virtd)), released, ""},
		{
			"virtqemud beside libvirtd", State{Active: append(activeOf("libvirtd"), activeOf("virtqemud")...)},
			whole(enabling("virtqemud", qemud)), append(releasing("virtqemud", qemud), finished), "",
		},
		{
			"once more, while the socket is down", State{Active: []string{"libvirtd-ro.socket", "libvirtd.service"}, Files: []string{virtdDropIn, gatewayDropIn}},
			whole(enabling("libvirtd", virtd)), released, "",
		},
		{
			"once more, with the other daemon's socket up", State{Active: append(activeOf("virtqemud"), "libvirtd-ro.socket", "libvirtd.service"), Files: []string{virtdDropIn}},
			whole(enabling("libvirtd", virtd)), released, "",
		},
		{"so already", enabled(nil), nil, nil, ""},
		{"no answer", enabled(func(s *State) { s.Unreachable = errors.New("no") }), whole(enabling("libvirtd", virtd)), released, ""},
		{"bypassed", enabled(func(s *State) { s.Bypassed = []string{virtd} }), whole(enabling("libvirtd", virtd)), released, ""},
		{"a drop-in that is not whole", enabled(func(s *State) { s.Torn = []string{gatewayDropIn} }), whole(enabling("libvirtd", virtd)), released, ""},
		{"one drop-in of two", enabled(func(s *State) { s.Files = []string{virtdDropIn} }), whole(enabling("libvirtd", virtd)), released, ""},
		{
			"the gateway's socket is down", enabled(func(s *State) { s.Active = activeOf("libvirtd") }),
			whole(enabling("libvirtd", virtd)), released, "",
		},
		{
			"once more, on a node that has moved to virtqemud", State{Active: activeOf("virtqemud"), Files: []string{virtdDropIn, gatewayDropIn}}, nil, nil,
			"it is libvirtd that the gateway is in front of, and this node has moved to virtqemud: virt-netboot disable first",
		},
		{"no libvirt", State{}, nil, nil, "neither virtqemud.socket nor libvirtd.socket is active"},
		{"libvirtd with a socket of its own", State{Active: []string{"libvirtd.service"}}, nil, nil, "libvirtd.service runs without libvirtd.socket"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := test.state.Plan(Goal{InFront: true})
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

// TestIdleDaemon: a daemon without clients has ended, and is not started either.
func TestIdleDaemon(t *testing.T) {
	p, err := State{Active: []string{"libvirtd.socket", "libvirtd-admin.socket"}}.Plan(Goal{InFront: true})
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

func TestPlanOwnPath(t *testing.T) {
	leaving := func(daemon, path string, after ...string) []string { // for another daemon
		return whole(append([]string{
			stopBypass,
			"rm -f " + gatewayDropIn,
			"rm -f /etc/systemd/system/" + daemon + ".socket.d/50-virt-netboot.conf",
			"systemctl stop virt-netboot.service virt-netboot.socket",
			"systemctl stop " + daemon + ".socket",
			"systemctl stop " + daemon + ".service",
			"systemctl daemon-reload",
			"rm -f " + path + "-direct",
			"systemctl reset-failed virt-netboot.socket virt-netboot.service",
			"systemctl start virt-netboot.socket virt-netboot.service",
		}, after...))
	}
	for _, test := range []struct {
		name  string
		state State
		want  []string
	}{
		{"so already", State{Active: []string{"libvirtd.socket"}}, nil},
		{"libvirtd", enabled(nil), whole(disabling("libvirtd", virtd))},
		{"virtqemud", State{Active: activeOf("virtqemud"), Files: []string{qemudDropIn, gatewayDropIn}}, whole(disabling("virtqemud", qemud))},
		{
			"the gateway's drop-in alone", State{Active: activeOf("libvirtd"), Files: []string{gatewayDropIn}}, whole([]string{
				stopBypass,
				"rm -f " + gatewayDropIn,
				"systemctl stop virt-netboot.service virt-netboot.socket",
				"systemctl daemon-reload",
				"systemctl start virt-netboot.socket virt-netboot.service",
			}),
		},
		{
			"libvirtd, on a node that has moved to virtqemud", State{Active: activeOf("virtqemud"), Files: []string{virtdDropIn, gatewayDropIn}},
			leaving("libvirtd", virtd),
		},
		{
			"libvirtd, where virtproxyd has its path now", State{Active: append(activeOf("virtqemud"), activeOf("virtproxyd")...), Files: []string{virtdDropIn, gatewayDropIn}},
			leaving("libvirtd", virtd,
				"systemctl stop virtproxyd.socket virtproxyd-ro.socket",
				"systemctl stop virtproxyd.service",
				"systemctl reset-failed virtproxyd.socket virtproxyd-ro.socket virtproxyd.service",
				"systemctl start virtproxyd.socket virtproxyd-ro.socket",
				"systemctl start virtproxyd.service",
				"virsh -c 'qemu+unix:///system?socket=/run/libvirt/libvirt-sock' version"),
		},
		{
			"virtqemud, on a node that has moved back to libvirtd", State{Active: activeOf("libvirtd"), Files: []string{qemudDropIn, gatewayDropIn}},
			leaving("virtqemud", qemud),
		},
		{"both, which should not be", State{Active: append(activeOf("libvirtd"), activeOf("virtqemud")...), Files: []string{qemudDropIn, virtdDropIn}}, whole(slices.Concat(
			disabling("virtqemud", "/run/libvirt/virtqemud-sock"), releasing("libvirtd", "/run/libvirt/libvirt-sock")))},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := test.state.Plan(Goal{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, steps(p.Steps)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if p.Rollback != nil {
				t.Errorf("it is taken back by %v", steps(p.Rollback))
			}
		})
	}
}

// TestFinish: whatever of a change is done when it is cut, all of it is done once more,
// with the units that were active before it.
func TestFinish(t *testing.T) {
	dead := []string{"virt-netboot.service"} // all that is active in the middle
	enable := &Intent{Daemon: "libvirtd", Active: activeOf("libvirtd")}
	disable := &Intent{Active: enabled(nil).Active, Files: enabled(nil).Files}
	released, disabled := append(releasing("libvirtd", virtd), finished), append(disabling("libvirtd", virtd), finished)
	for _, test := range []struct {
		name           string
		state          State
		want, rollback []string
	}{
		{"nothing", State{Active: activeOf("libvirtd")}, nil, nil},
		{"enable before the first step", State{Active: activeOf("libvirtd"), Intent: enable}, append(enabling("libvirtd", virtd), finished), released},
		{"enable while all is stopped", State{Active: dead, Files: []string{virtdDropIn}, Intent: enable}, append(enabling("libvirtd", virtd), finished), released},
		{"enable after the last step", enabled(func(s *State) { s.Intent = enable }), append(enabling("libvirtd", virtd), finished), released},
		{"disable before the first step", enabled(func(s *State) { s.Intent = disable }), disabled, nil},
		{"disable while all is stopped", State{Active: dead, Intent: disable}, disabled, nil},
		{"one that says nothing", enabled(func(s *State) { s.Intent = &Intent{} }), disabled, nil},
		{"one that says nothing, on a node that is so already", State{Active: activeOf("libvirtd"), Intent: &Intent{}}, []string{finished}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := test.state.Finish()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, steps(p.Steps), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("steps: -want +got:\n%s", diff)
			}
			if diff := cmp.Diff(test.rollback, steps(p.Rollback), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("rollback: -want +got:\n%s", diff)
			}
		})
	}
}

// TestAtBoot: files alone, since nothing runs yet.
func TestAtBoot(t *testing.T) {
	const reload = "systemctl daemon-reload"
	writes := enabling("libvirtd", virtd)[1:3]
	enable := &Intent{Daemon: "libvirtd", Active: activeOf("libvirtd")}
	disable := &Intent{Active: enabled(nil).Active, Files: enabled(nil).Files}
	both := []string{virtdDropIn, gatewayDropIn}
	for _, test := range []struct {
		name  string
		state State
		want  []string
	}{
		{"disabled", State{}, nil},
		{"enabled", State{Files: both}, nil},
		{"a drop-in that is not whole", State{Files: both, Torn: []string{virtdDropIn}}, append(slices.Clone(writes), reload)},
		{"libvirt's drop-in alone", State{Files: []string{virtdDropIn}}, append(slices.Clone(writes), reload)},
		{"the gateway's drop-in alone", State{Files: []string{gatewayDropIn}}, []string{"rm -f " + gatewayDropIn, reload}},
		{"enable, no drop-in", State{Intent: enable}, append(slices.Clone(writes), reload, finished)},
		{"enable, one drop-in", State{Intent: enable, Files: []string{virtdDropIn}}, append(slices.Clone(writes), reload, finished)},
		{"enable, both drop-ins", State{Intent: enable, Files: both}, []string{finished}},
		{"disable, both drop-ins", State{Intent: disable, Files: both}, []string{"rm -f " + virtdDropIn, "rm -f " + gatewayDropIn, reload, finished}},
		{"disable, one drop-in", State{Intent: disable, Files: []string{virtdDropIn}}, []string{"rm -f " + virtdDropIn, reload, finished}},
		{"disable, no drop-in", State{Intent: disable}, []string{finished}},
		{"an intent that says nothing", State{Intent: &Intent{}, Files: both, Torn: both}, []string{"rm -f " + virtdDropIn, "rm -f " + gatewayDropIn, reload, finished}},
		{"a drop-in of another daemon", State{Intent: enable, Files: []string{qemudDropIn}}, slices.Concat([]string{"rm -f " + qemudDropIn}, writes, []string{reload, finished})},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := test.state.AtBoot()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, steps(p.Steps), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestIntent: what a plan writes down is what finishes it.
func TestIntent(t *testing.T) {
	s := State{Active: activeOf("libvirtd"), Files: []string{gatewayDropIn}}
	p, err := s.Plan(Goal{InFront: true, Mode: config.ModeEnforce})
	if err != nil {
		t.Fatal(err)
	}
	got := parseIntent([]byte(p.Steps[0].Content))
	if diff := cmp.Diff(Intent{Daemon: "libvirtd", Mode: config.ModeEnforce, Active: s.Active, Files: s.Files}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	s.Intent = &got
	left, err := s.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(steps(p.Steps[1:]), steps(left.Steps)); diff != "" {
		t.Errorf("-planned +finished:\n%s", diff)
	}
	content := p.Steps[0].Content
	for n := range len(content) - 1 { // without its line feed it is whole
		if got := parseIntent([]byte(content[:n])); got.Daemon != "" || got.Mode != config.ModeObserve {
			t.Errorf("of %q it makes %+v", content[:n], got)
		}
	}
}

// TestDropIns: a list of sockets in systemd adds up, so libvirt's has to be emptied
// first, and the gateway's must not be.
func TestDropIns(t *testing.T) {
	p, err := State{Active: []string{"libvirtd.socket"}}.Plan(Goal{InFront: true})
	if err != nil {
		t.Fatal(err)
	}
	const by = "# Made by virt-netboot enable, removed by virt-netboot disable.\n"
	want := []string{
		by + "[Socket]\nListenStream=\nListenStream=/run/libvirt/libvirt-sock-direct\n",
		by + "[Socket]\nListenStream=/run/libvirt/libvirt-sock\n",
	}
	if diff := cmp.Diff(want, []string{p.Steps[2].Content, p.Steps[3].Content}); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestMode: nothing is changed before all is in place, nor once it is to go.
func TestMode(t *testing.T) {
	const (
		observe, enforce = "# ours\nmode: observe\n", "# ours\nmode: enforce\n"
		sets             = "cat >" + config.DefaultPath + " <<EOF"
	)
	apart := State{Active: activeOf("libvirtd"), Config: observe}
	together := enabled(func(s *State) { s.Config = enforce })
	on, off := Goal{InFront: true, Mode: config.ModeEnforce}, Goal{Mode: config.ModeObserve}
	for _, test := range []struct {
		name  string
		state State
		goal  Goal
		want  []string
	}{
		{"enable", apart, on, whole(append(enabling("libvirtd", virtd), sets))},
		{"enable, in front already", enabled(func(s *State) { s.Config = observe }), on, whole([]string{sets})},
		{"enable, enforced already", State{Active: activeOf("libvirtd"), Config: enforce}, on, whole(enabling("libvirtd", virtd))},
		{"enable, so already", together, on, nil},
		{"enable without a file", enabled(nil), on, whole([]string{sets})},
		{"the socket only", apart, Goal{Mode: config.ModeEnforce}, whole([]string{sets})},
		{"disable", together, off, whole(append([]string{sets}, disabling("libvirtd", virtd)...))},
		{"disable, so already", apart, off, nil},
		{"disable without a file", State{Active: activeOf("libvirtd")}, off, nil},
		{"another mode is no goal", State{Active: activeOf("libvirtd"), Config: "mode: nonsense\n"}, Goal{}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := test.state.Plan(test.goal)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, steps(p.Steps), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("-want +got:\n%s", diff)
			}
			for _, s := range p.Steps {
				want := map[config.Mode]string{config.ModeEnforce: enforce, config.ModeObserve: observe}[test.goal.Mode]
				if test.state.Config == "" {
					want = "mode: enforce\n"
				}
				if s.Write == config.DefaultPath && s.Content != want {
					t.Errorf("the configuration becomes %q", s.Content)
				}
			}
		})
	}

	t.Run("at boot", func(t *testing.T) {
		apart.Intent = &Intent{Daemon: "libvirtd", Mode: config.ModeEnforce}
		p, err := apart.AtBoot()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{sets, finished}, steps(p.Steps[3:])); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
	t.Run("a mistake in the configuration", func(t *testing.T) {
		broken := enabled(func(s *State) { s.Config = "mode: nonsense\n" })
		if p, err := broken.Plan(off); err == nil || len(p.Steps) > 0 {
			t.Errorf("it is planned: %v", steps(p.Steps))
		}
		broken.Intent = &Intent{Mode: config.ModeObserve}
		p, err := broken.Finish()
		if diff := cmp.Diff(append(disabling("libvirtd", virtd), finished), steps(p.Steps)); diff != "" || err == nil {
			t.Errorf("error %v; -want +got:\n%s", err, diff)
		}
	})
}

func TestUsual(t *testing.T) {
	for _, test := range []struct {
		name  string
		state State
		want  string
	}{
		{"no libvirt", State{}, virtd},
		{"libvirtd", State{Active: activeOf("libvirtd")}, virtd},
		{"virtqemud", State{Active: append(activeOf("libvirtd"), activeOf("virtqemud")...)}, qemud},
		{"enabled", enabled(nil), virtd},
		{"enabled, with all stopped", State{Files: []string{qemudDropIn}}, qemud},
		{"moved", State{Active: activeOf("virtqemud"), Files: []string{virtdDropIn}}, qemud},
	} {
		if got := test.state.Usual(); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
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

// TestRestartsLibvirt: only a change of the path does, not one of the mode.
func TestRestartsLibvirt(t *testing.T) {
	own := State{Active: activeOf("libvirtd")}
	for name, c := range map[string]struct {
		state State
		goal  Goal
		want  bool
	}{
		"in front":               {own, Goal{InFront: true, Mode: config.ModeEnforce}, true},
		"the mode alone":         {own, Goal{Mode: config.ModeEnforce}, false},
		"in front already":       {enabled(nil), Goal{InFront: true, Mode: config.ModeObserve}, false},
		"back":                   {enabled(nil), Goal{Mode: config.ModeObserve}, true},
		"back, from virtqemud's": {State{Active: activeOf("virtqemud"), Files: []string{Daemons()[0].DropIn(), gatewayDropIn}}, Goal{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := c.state.Plan(c.goal)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.RestartsLibvirt(); got != c.want {
				t.Errorf("%v, want %v: %v", got, c.want, p.Steps)
			}
		})
	}
}
