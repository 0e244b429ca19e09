// Package takeover is what virt-netboot enable and disable do to a node. It puts the
// gateway on the socket that libvirt's clients use anyway, and takes it away from there
// again: Nova, virsh and virt-manager then go through it with no change to them. And it
// sets the mode in the configuration.
//
// Drop-ins for systemd move the socket of libvirtd or virtqemud aside, to
// PATH-direct, and give virt-netboot.socket the usual path beside its own. Guests run
// on meanwhile; libvirt's daemon is restarted once, since it cannot be told of a
// new socket.
//
//	state, err := takeover.Look(ctx)
//	plan, err := state.Plan(takeover.Goal{InFront: true, Mode: config.ModeEnforce})
//	err = takeover.Submit(ctx, plan)
//
// A change is a transaction. [Submit] writes down what is to be done, the [Intent],
// and has virt-netboot-takeover.service do it, which outlives the terminal. What is cut
// is finished: by that service for as long as the node runs, by
// virt-netboot-boot.service at the next boot.
package takeover

import (
	"errors"
	"fmt"
	"slices"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/internal/config"
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

// The gateway's units, its own path, and the file that gives its socket the usual one.
const (
	gatewaySocket  = "virt-netboot.socket"
	gatewayService = "virt-netboot.service"
	bypassService  = "virt-netboot-bypass.service"
	gatewayPath    = "/run/virt-netboot/libvirt-sock"
	gatewayDropIn  = "/etc/systemd/system/virt-netboot.socket.d/50-takeover.conf"
)

// State is what a change depends on.
type State struct {
	Active []string // the units that are active, of those that Look asks for
	Files  []string // the drop-ins that are there
	Torn   []string // those of them that are not as they were written, as after a power cut
	// Config is the content of the configuration's file, "" where there is none.
	Config string
	// Bypassed are the paths that lead to libvirt past an agent that did not start.
	Bypassed []string
	// Intent is the change that is under way, or that was cut; nil for none.
	Intent *Intent
	// Version is libvirt's as it answers at its usual path, Unreachable why it does not.
	Version     string
	Unreachable error
}

// Goal is what a node is to be like.
type Goal struct {
	// InFront: the gateway has libvirt's usual path.
	InFront bool
	// Mode is the mode of the configuration; "" leaves it.
	Mode config.Mode
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

// Mode is the configuration's; "" where that has a mistake.
func (s State) Mode() config.Mode {
	c, err := config.Parse(config.DefaultPath, []byte(s.Config))
	if err != nil {
		return ""
	}
	return c.Mode
}

// Usual is the path that libvirt's clients use on this node.
func (s State) Usual() string {
	d, there := s.Enabled()
	next, moved := s.Successor(d)
	switch {
	case moved:
		return next.Path
	case there:
		return d.Path
	}
	return libvirt.LibvirtdSocket
}

// Plan returns what makes the node like the goal. Its first step is to write that
// down, its last one to take the note away again. It has no steps where the node is
// like that already. The error says why it cannot be.
func (s State) Plan(g Goal) (Plan, error) {
	i := Intent{Mode: g.Mode, Active: s.Active, Files: s.Files}
	if g.InFront {
		d, err := s.choose()
		if err != nil {
			return Plan{}, err
		}
		i.Daemon = d.Name
	}
	p, err := s.change(i)
	if err != nil || len(p.Steps) == 0 {
		return Plan{}, err
	}
	text, err := i.encode()
	if err != nil {
		return Plan{}, err
	}
	p.Steps = append([]Step{write(IntentPath, text)}, p.Steps...)
	return p.ending(remove(IntentPath)), nil
}

// Finish returns what is left to do of a change that is under way or was cut: all of
// it, since each step can be done twice. The error says why the mode stays as it is.
func (s State) Finish() (Plan, error) {
	if s.Intent == nil {
		return Plan{}, nil
	}
	s.Active = union(s.Active, s.Intent.Active)
	s.Files = union(s.Files, s.Intent.Files)
	s.Unreachable = errors.New("a change is under way")
	p, err := s.change(*s.Intent)
	return p.ending(remove(IntentPath)), err
}

// AtBoot returns what is left to do of a change that was cut, before systemd opens the
// first socket. Drop-ins that are not whole are written once more. The error says why
// the mode stays as it is.
func (s State) AtBoot() (Plan, error) {
	d, inFront := s.Enabled()
	var mode []Step
	var err error
	if s.Intent != nil {
		d, inFront = s.Intent.daemon()
		mode, err = s.setMode(s.Intent.Mode)
	}
	var files []Step
	for _, other := range Daemons() {
		if slices.Contains(s.Files, other.DropIn()) && other != d {
			files = append(files, remove(other.DropIn()))
		}
	}
	switch has := slices.Contains(s.Files, gatewayDropIn); {
	case inFront && !s.intact(d):
		files = append(files, write(d.DropIn(), moved(d)), write(gatewayDropIn, taken(d)))
	case !inFront && has:
		files = append(files, remove(gatewayDropIn))
	}
	if len(files) > 0 {
		files = append(files, systemctl("daemon-reload"))
	}
	p := Plan{Steps: append(files, mode...)}
	if s.Intent != nil {
		p = p.ending(remove(IntentPath))
	}
	return p, err
}

// change returns what gives libvirt's usual path to whom the intent says, and sets the
// mode: at first where nothing is to be changed any more, and else when all is in place.
// The error says why the mode stays as it is.
func (s State) change(i Intent) (Plan, error) {
	p := s.disable()
	if d, inFront := i.daemon(); inFront {
		p = s.enable(d)
	}
	if len(p.Steps) > 0 {
		// It would try the agent meanwhile. Where that fails again, it starts again.
		p.Steps = append([]Step{systemctl("stop", bypassService).unchecked()}, p.Steps...)
	}
	mode, err := s.setMode(i.Mode)
	if i.Mode == config.ModeObserve {
		p.Steps = append(mode, p.Steps...)
	} else {
		p.Steps = append(p.Steps, mode...)
	}
	return p, err
}

// setMode has the configuration get the mode, where it has another one.
func (s State) setMode(mode config.Mode) ([]Step, error) {
	if mode == "" {
		return nil, nil
	}
	edited, err := config.SetMode(config.DefaultPath, []byte(s.Config), mode)
	if err != nil || string(edited) == s.Config {
		return nil, err
	}
	return []Step{write(config.DefaultPath, string(edited))}, nil
}

// choose returns the daemon that the gateway is to stand in front of. The error says
// why it cannot stand in front of any.
func (s State) choose() (Daemon, error) {
	d, there := s.Enabled()
	if next, moved := s.Successor(d); there && moved {
		return d, fmt.Errorf("it is %s that the gateway is in front of, and this node has moved to %s: virt-netboot disable first", d.Name, next.Name)
	}
	if there {
		return d, nil
	}
	i := slices.IndexFunc(Daemons(), func(d Daemon) bool { return slices.Contains(s.Active, d.socket()) })
	if i < 0 {
		return d, s.inactive()
	}
	return Daemons()[i], nil
}

// inactive is the error of a node on which no daemon's socket is systemd's.
func (s State) inactive() error {
	for _, d := range Daemons() {
		if slices.Contains(s.Active, d.service()) {
			return fmt.Errorf("%[1]s runs without %[2]s, as with --listen: take that out of its arguments, systemctl unmask %[2]s, systemctl stop %[1]s && systemctl start %[2]s (guests run on); or virt-netboot enable --socket-only, and name the gateway's socket to libvirt's clients",
				d.service(), d.socket())
		}
	}
	return errors.New("neither virtqemud.socket nor libvirtd.socket is active: start the one that this node uses (systemctl enable --now libvirtd.socket)")
}

// enable puts the gateway on the usual path. Where that fails, libvirt gets it back.
func (s State) enable(d Daemon) Plan {
	if s.settled(d) {
		return Plan{}
	}
	return Plan{
		Steps: slices.Concat(
			[]Step{write(d.DropIn(), moved(d)), write(gatewayDropIn, taken(d))},
			s.stop(d),
			[]Step{systemctl("daemon-reload")},
			s.start(d),
			[]Step{
				forgive(gatewaySocket, gatewayService),
				systemctl("restart", gatewaySocket, gatewayService),
				connect(d.Path),
			},
		),
		Rollback: s.release(d),
	}
}

// settled reports whether the gateway has the daemon's usual path, and libvirt answers
// there.
func (s State) settled(d Daemon) bool {
	return s.intact(d) && slices.Contains(s.Active, gatewaySocket) && len(s.Bypassed) == 0 && s.Unreachable == nil
}

// intact reports whether both drop-ins of a takeover are there as they were written.
func (s State) intact(d Daemon) bool {
	return slices.Contains(s.Files, d.DropIn()) && slices.Contains(s.Files, gatewayDropIn) && len(s.Torn) == 0
}

// disable gives libvirt its usual path back.
func (s State) disable() Plan {
	var p Plan
	for _, d := range Daemons() {
		if slices.Contains(s.Files, d.DropIn()) {
			p.Steps = append(p.Steps, s.release(d)...)
		}
	}
	if len(p.Steps) == 0 && slices.Contains(s.Files, gatewayDropIn) {
		p.Steps = []Step{
			remove(gatewayDropIn),
			systemctl("stop", gatewayService, gatewaySocket),
			systemctl("daemon-reload"),
			systemctl("start", gatewaySocket, gatewayService).unchecked(),
		}
	}
	return p
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
			forgive(gatewaySocket, gatewayService),
			systemctl("start", gatewaySocket, gatewayService).unchecked(),
		},
		reach,
	)
}

// Successor returns the daemon that the node has moved to from d, if it has: then
// d is not to be started.
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
	sockets := s.activeSockets(d)
	steps := []Step{
		forgive(append(slices.Clone(sockets), d.service())...),
		systemctl(append([]string{"start"}, sockets...)...),
	}
	if slices.Contains(s.Active, d.service()) {
		steps = append(steps, systemctl("start", d.service()))
	}
	return steps
}

// forgive has systemd start units that it has started too often in a short time, as
// when a change that is cut is finished.
func forgive(units ...string) Step {
	return systemctl(append([]string{"reset-failed"}, units...)...).unchecked()
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

const madeBy = "# Made by virt-netboot enable, removed by virt-netboot disable.\n"

func moved(d Daemon) string {
	return madeBy + "[Socket]\nListenStream=\nListenStream=" + libvirt.Direct(d.Path) + "\n"
}

func taken(d Daemon) string {
	return madeBy + "[Socket]\nListenStream=" + d.Path + "\n"
}
