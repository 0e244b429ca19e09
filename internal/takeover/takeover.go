// Package takeover puts the gateway on the socket that libvirt's clients use
// anyway, and takes it away from there again: Nova, virsh and virt-manager then go
// through it with no change to them.
//
// Drop-ins for systemd move the socket of libvirtd or virtqemud aside, to
// PATH-direct, and give virt-netboot.socket the usual path beside its own. Guests run
// on meanwhile; libvirt's daemon is restarted once, since it cannot be told of a
// new socket.
//
//	state, err := takeover.Look(ctx, upstream)
//	plan, err := takeover.Enable(state)
//	err = plan.Run(ctx, takeover.Host{})
package takeover

import (
	"errors"
	"fmt"
	"slices"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
)

// Daemon is one of libvirt's that has the QEMU driver.
type Daemon struct {
	Name string // of its units
	Path string // the socket of its clients
}

// Daemons are those that the gateway can stand in front of, in the order in which
// clients try them.
func Daemons() []Daemon {
	return []Daemon{
		{Name: "virtqemud", Path: libvirt.VirtqemudSocket},
		{Name: "libvirtd", Path: libvirt.LibvirtdSocket},
	}
}

// proxy has libvirtd's path on a node with virtqemud, where it leads.
func proxy() Daemon { return Daemon{Name: "virtproxyd", Path: libvirt.LibvirtdSocket} }

// socket is the unit that listens on Path.
func (d Daemon) socket() string { return d.Name + ".socket" }

func (d Daemon) service() string { return d.Name + ".service" }

// sockets are all the units that the daemon's sockets are in.
func (d Daemon) sockets() []string {
	return []string{d.socket(), d.Name + "-ro.socket", d.Name + "-admin.socket", d.Name + "-tcp.socket", d.Name + "-tls.socket"}
}

// DropIn is the file that moves the daemon's socket.
func (d Daemon) DropIn() string {
	return "/etc/systemd/system/" + d.socket() + ".d/50-virt-netboot.conf"
}

// The gateway's units, and the file that gives its socket the usual path.
const (
	gatewaySocket  = "virt-netboot.socket"
	gatewayService = "virt-netboot.service"
	gatewayDropIn  = "/etc/systemd/system/virt-netboot.socket.d/50-takeover.conf"
)

// State is what a takeover depends on.
type State struct {
	Active []string // the units that are active, of those that Look asks for
	Files  []string // the drop-ins that are there
	// Upstream is gateway.upstream of the configuration.
	Upstream string
	// Bypassed are the paths that lead to libvirt past an agent that did not start.
	Bypassed []string
}

// Enabled returns the daemon whose usual path the gateway has, or is to have.
func (s State) Enabled() (Daemon, bool) {
	for _, d := range Daemons() {
		if slices.Contains(s.Files, d.DropIn()) {
			return d, true
		}
	}
	return Daemon{}, false
}

// Enable returns what puts the gateway on the usual path. The error says why that
// cannot be.
func Enable(s State) (Plan, error) {
	if s.Upstream != "" {
		return Plan{}, fmt.Errorf("gateway.upstream is %s: remove it from the configuration, the takeover decides where libvirt is", s.Upstream)
	}
	d, there := s.Enabled()
	if next, moved := s.Successor(d); there && moved {
		return Plan{}, fmt.Errorf("it is %s that the gateway is in front of, and this node has moved to %s: virt-netboot takeover disable first", d.Name, next.Name)
	}
	if !there {
		i := slices.IndexFunc(Daemons(), func(d Daemon) bool { return slices.Contains(s.Active, d.socket()) })
		if i < 0 {
			return Plan{}, s.inactive()
		}
		d = Daemons()[i]
	}
	return Plan{
		Steps: slices.Concat(
			[]Step{write(d.DropIn(), moved(d)), write(gatewayDropIn, taken(d))},
			s.stop(d),
			[]Step{systemctl("daemon-reload")},
			s.start(d),
			[]Step{
				systemctl("reset-failed", gatewaySocket, gatewayService).unchecked(),
				systemctl("restart", gatewaySocket, gatewayService),
				connect(d.Path),
			},
		),
		Rollback: s.release(d),
	}, nil
}

// inactive is the error of a node on which no daemon's socket is systemd's.
func (s State) inactive() error {
	for _, d := range Daemons() {
		if slices.Contains(s.Active, d.service()) {
			return fmt.Errorf("%[1]s runs without %[2]s, as with --listen: take that out of its arguments, systemctl unmask %[2]s, systemctl stop %[1]s && systemctl start %[2]s (guests run on); or name the gateway's socket to its clients instead of a takeover",
				d.service(), d.socket())
		}
	}
	return errors.New("neither virtqemud.socket nor libvirtd.socket is active: start the one that this node uses (systemctl enable --now libvirtd.socket)")
}

// Disable returns what gives libvirt its usual path back; nothing where it has it.
// There is no error.
func Disable(s State) (Plan, error) {
	var p Plan
	for _, d := range Daemons() {
		if slices.Contains(s.Files, d.DropIn()) {
			p.Steps = append(p.Steps, s.release(d)...)
		}
	}
	return p, nil
}

// release goes on where a step fails: each brings libvirt nearer to its clients.
func (s State) release(d Daemon) []Step {
	start, reach := s.start(d), []Step{connect(d.Path)}
	if _, moved := s.Successor(d); moved {
		start, reach = nil, s.restore()
	}
	return slices.Concat(
		[]Step{remove(gatewayDropIn), remove(d.DropIn()), systemctl("stop", gatewayService, gatewaySocket)},
		s.stop(d),
		[]Step{systemctl("daemon-reload"), remove(libvirt.Direct(d.Path))},
		start,
		[]Step{
			systemctl("reset-failed", gatewaySocket, gatewayService).unchecked(),
			systemctl("start", gatewaySocket, gatewayService).unchecked(),
		},
		reach,
	)
}

// Successor returns the daemon that the node has moved to from d, if it has: then
// nobody wants d started.
func (s State) Successor(d Daemon) (Daemon, bool) {
	active := func(unit string) bool { return slices.Contains(s.Active, unit) }
	if active(d.service()) || slices.ContainsFunc(d.sockets(), active) {
		return Daemon{}, false
	}
	i := slices.IndexFunc(Daemons(), func(d Daemon) bool { return active(d.socket()) })
	if i < 0 {
		return Daemon{}, false
	}
	return Daemons()[i], true
}

// restore gives virtproxyd back the socket that it took from the gateway: the stop of
// the gateway's has removed it.
func (s State) restore() []Step {
	p := proxy()
	if !slices.Contains(s.Active, p.socket()) {
		return nil
	}
	return slices.Concat(s.stop(p), s.start(p), []Step{connect(p.Path)})
}

// stop stops the sockets first, or one of them starts the daemon again. Only then
// may systemd read the drop-ins, or it loses the sockets that it has open.
func (s State) stop(d Daemon) []Step {
	return []Step{
		systemctl(append([]string{"stop"}, s.activeSockets(d)...)...),
		systemctl("stop", d.service()),
	}
}

// start starts what was active before. A socket cannot be started beside the daemon.
func (s State) start(d Daemon) []Step {
	steps := []Step{systemctl(append([]string{"start"}, s.activeSockets(d)...)...)}
	if slices.Contains(s.Active, d.service()) {
		steps = append(steps, systemctl("start", d.service()))
	}
	return steps
}

// activeSockets are the daemon's that it has open; the one that moves is always
// among them.
func (s State) activeSockets(d Daemon) []string {
	units := []string{d.socket()}
	for _, unit := range d.sockets()[1:] {
		if slices.Contains(s.Active, unit) {
			units = append(units, unit)
		}
	}
	return units
}

func moved(d Daemon) string {
	return "# Made by virt-netboot takeover enable, removed by virt-netboot takeover disable.\n" +
		"[Socket]\nListenStream=\nListenStream=" + libvirt.Direct(d.Path) + "\n"
}

func taken(d Daemon) string {
	return "# Made by virt-netboot takeover enable, removed by virt-netboot takeover disable.\n" +
		"[Socket]\nListenStream=" + d.Path + "\n"
}
