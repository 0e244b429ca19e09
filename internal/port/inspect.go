package port

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Switch is what a port is in.
type Switch string

const (
	LinuxBridge Switch = "linux-bridge" // nwfilter, Neutron's Linux bridge agent, OVS hybrid
	OpenVSwitch Switch = "ovs"
	OVN         Switch = "ovn"
	NoSwitch    Switch = "none"
)

// Report is what becomes of a network boot's frames at a port.
type Report struct {
	Switch Switch `json:"switch"`
	// Bridge is the Linux bridge's or Open vSwitch's name.
	Bridge string `json:"bridge,omitempty"`
	// Offer is OVN's, nil where it does not answer DHCP or the offer cannot be read.
	Offer  *Offer    `json:"offer,omitempty"`
	Frames []Passage `json:"frames"`
	// AsServer is the answer of a DHCP server that runs in this instance.
	AsServer Passage `json:"as_server"`
}

// Passage is what becomes of one frame.
type Passage struct {
	Frame     string    `json:"frame"`
	Direction Direction `json:"direction"`
	Verdict   Verdict   `json:"verdict"`
	// Rule is the one that drops the frame, as the node dumps it, or the reason why the
	// verdict is unknown.
	Rule string `json:"rule,omitempty"`
}

// fate is what becomes of a frame, as in a Passage, and OVN's answer to it.
type fate struct {
	verdict Verdict
	rule    string
	offer   *Offer
}

// passer says what becomes of a frame at one port.
type passer func(ctx context.Context, f Frame) (fate, error)

// Inspector looks at many ports. It dumps the node's rules once, for the first port in a
// Linux bridge. The zero value is ready; it is for one goroutine.
type Inspector struct {
	rules    Rules
	rulesErr error
	dumped   bool
}

// Inspect looks at the port of a running guest's interface. It needs CAP_NET_ADMIN on a
// Linux bridge, and Open vSwitch's sockets otherwise.
func (i *Inspector) Inspect(ctx context.Context, device string, boot Boot) (Report, error) {
	r, pass, err := i.find(ctx, device)
	if err != nil {
		return Report{}, fmt.Errorf("looking at port %s: %w", device, err)
	}
	frames, err := boot.Frames()
	if err != nil {
		return Report{}, err
	}
	for _, f := range frames {
		is, err := pass(ctx, f)
		if err != nil {
			return Report{}, fmt.Errorf("looking at port %s: %w", device, err)
		}
		r.Frames = append(r.Frames, f.passage(is))
		r.Offer = cmp.Or(r.Offer, is.offer)
	}
	asServer, err := boot.Offer()
	if err != nil {
		return Report{}, err
	}
	is, err := pass(ctx, asServer)
	r.AsServer = asServer.passage(is)
	return r, err
}

func (f Frame) passage(is fate) Passage { return Passage{f.Name, f.Direction, is.verdict, is.rule} }

func (i *Inspector) find(ctx context.Context, device string) (Report, passer, error) {
	master, err := os.Readlink(filepath.Join("/sys/class/net", device, "master"))
	if err == nil && isBridge(filepath.Base(master)) {
		bridge := filepath.Base(master)
		pass, err := i.inBridge(ctx, device, bridge)
		return Report{Switch: LinuxBridge, Bridge: bridge}, pass, err
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Report{}, nil, err
	}
	p, ok, err := findOVS(ctx, device)
	if errors.Is(err, exec.ErrNotFound) {
		err = nil
	}
	if err != nil || !ok {
		return Report{Switch: NoSwitch}, notAsked("the device is in no bridge of this node"), err
	}
	r := Report{Switch: OpenVSwitch, Bridge: p.bridge}
	if p.ovn {
		r.Switch = OVN
	}
	return r, p.pass, nil
}

func isBridge(device string) bool {
	_, err := os.Stat(filepath.Join("/sys/class/net", device, "bridge"))
	return err == nil
}

// elsewhere stands for another port of the bridge.
const elsewhere = "another port"

func (i *Inspector) inBridge(ctx context.Context, device, bridge string) (passer, error) {
	if !i.dumped {
		i.rules, i.rulesErr = ReadRules(ctx)
		i.dumped = true
	}
	rules, err := i.rules, i.rulesErr
	return func(_ context.Context, f Frame) (fate, error) {
		from, to := device, elsewhere
		if f.Direction == In {
			from, to = to, from
		}
		verdict, rule, err := rules.Pass(f.Bytes, bridge, from, to)
		return fate{verdict: verdict, rule: rule}, err
	}, err
}

// pass asks about what the device sends. What comes to it enters at a port that is not
// known, often of another node.
func (p ovsPort) pass(ctx context.Context, f Frame) (fate, error) {
	if f.Direction == In {
		return fate{verdict: Unknown, rule: "Open vSwitch is asked about what a port sends, not about what comes to it"}, nil
	}
	is, err := p.trace(ctx, f.Bytes)
	if is.verdict == Answered && !strings.HasPrefix(f.Name, discover) {
		is.verdict = Dropped
	}
	return is, err
}

func notAsked(why string) passer {
	return func(context.Context, Frame) (fate, error) { return fate{verdict: Unknown, rule: why}, nil }
}
