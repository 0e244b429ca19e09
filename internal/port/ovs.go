package port

import (
	"context"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// ovsPort is a port of Open vSwitch.
type ovsPort struct {
	bridge string
	number string // OpenFlow's port number
	ovn    bool   // OVN programs the bridge, and answers DHCP itself
}

// findOVS finds a device among the ports of Open vSwitch. ok is false where it is none,
// or where the node has no Open vSwitch.
func findOVS(ctx context.Context, device string) (p ovsPort, ok bool, err error) {
	vsctl := func(args ...string) (string, error) {
		out, err := output(ctx, "ovs-vsctl", append([]string{"--timeout=5"}, args...)...)
		return strings.Trim(strings.TrimSpace(out), `"`), err
	}
	p.number, err = vsctl("--no-heading", "--bare", "--columns=ofport", "find", "Interface", "name="+device)
	if err != nil || p.number == "" {
		return ovsPort{}, false, err
	}
	if p.bridge, err = vsctl("iface-to-br", device); err != nil {
		return ovsPort{}, false, err
	}
	remote, err := vsctl("--if-exists", "get", "Open_vSwitch", ".", "external_ids:ovn-remote")
	p.ovn = remote != ""
	return p, true, err
}

// trace has Open vSwitch follow a frame that the port's device sends, without sending
// it (ovs-vswitchd(8), ofproto/trace).
func (p ovsPort) trace(ctx context.Context, frame []byte) (fate, error) {
	out, err := output(ctx, "ovs-appctl", "--timeout=10", "ofproto/trace", p.bridge, "in_port="+p.number, hex.EncodeToString(frame))
	if err != nil {
		return fate{}, err
	}
	is := readTrace(out)
	if is.verdict == "" {
		return fate{}, fmt.Errorf("ofproto/trace says no datapath actions: %q", out)
	}
	return is, nil
}

var (
	actionsLine = regexp.MustCompile(`(?m)^Datapath actions: (.*)$`)
	// A flow: its table, what it matches, its priority.
	flowLine = regexp.MustCompile(`(?m)^ *(\d+)\. (.*)$`)
	// An output is the number of a port. Others are named: drop, recirc(0x1), ct(…).
	outputAction = regexp.MustCompile(`(^|,)(\d+|tnl_push)(,|$)`)
	nested       = regexp.MustCompile(`\([^()]*\)`)
)

// portOfOVN is the register in which OVN keeps the port that a frame goes to. It is set
// when the frame has passed all that filters what its own port sends; what drops it later
// is another port's (ovn-architecture(7), "Architectural Physical Life Cycle of a Packet").
const portOfOVN = "reg15="

// readTrace reads the output of ofproto/trace. Where the frame is sent on after it was
// seen by conntrack, that is a trace of its own below the first. A frame passes where its
// own port lets it. The rule is the last flow that a dropped frame met.
func readTrace(out string) fate {
	all := actionsLine.FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		return fate{}
	}
	for _, actions := range all {
		if outputAction.MatchString(withoutArguments(actions[1])) {
			return fate{verdict: Passes}
		}
	}
	is := fate{verdict: Dropped}
	if flows := flowLine.FindAllStringSubmatch(out, -1); len(flows) > 0 {
		last := flows[len(flows)-1]
		is.rule = "table " + last[1] + ": " + last[2]
	}
	if answered, offer := answers(out); answered {
		is.verdict, is.offer = Answered, offer
		return is
	}
	if strings.Contains(out, portOfOVN) {
		return fate{verdict: Passes}
	}
	return is
}

// withoutArguments takes what is in parentheses out: ct(commit,zone=1) is no output to
// port 1.
func withoutArguments(actions string) string {
	for {
		less := nested.ReplaceAllString(actions, "")
		if less == actions {
			return less
		}
		actions = less
	}
}
