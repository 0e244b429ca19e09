package port

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Verdict is what becomes of a frame at a port.
type Verdict string

const (
	Passes  Verdict = "passes"
	Dropped Verdict = "dropped"
	// Answered is a DHCP request that OVN answers itself: no other server hears it.
	Answered Verdict = "answered"
	// Unknown is where a rule asks what this package does not know.
	Unknown Verdict = "unknown"
)

// Rules are what netfilter asks of the frames in a Linux bridge: libvirt's nwfilters
// and Neutron's security groups.
type Rules struct {
	ebtables, iptables ruleset
}

// callIPTables says whether bridged IPv4 packets come to iptables. The file is not
// there without the module br_netfilter.
const callIPTables = "/proc/sys/net/bridge/bridge-nf-call-iptables"

// ReadRules dumps the rules of this node. It needs CAP_NET_ADMIN.
func ReadRules(ctx context.Context) (Rules, error) {
	ebtables, err := output(ctx, "ebtables-save")
	if err != nil {
		return Rules{}, err
	}
	call, err := os.ReadFile(callIPTables)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Rules{}, err
	}
	if strings.TrimSpace(string(call)) != "1" {
		return ParseRules(ebtables, "", "")
	}
	iptables, err := output(ctx, "iptables-save")
	if err != nil {
		return Rules{}, err
	}
	sets, err := output(ctx, "ipset", "save")
	if err != nil && !errors.Is(err, exec.ErrNotFound) {
		return Rules{}, err
	}
	return ParseRules(ebtables, iptables, sets)
}

func output(ctx context.Context, program string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, program, args...).Output()
	if err != nil {
		return "", fmt.Errorf("running %s: %w", program, err)
	}
	return string(out), nil
}

// ParseRules reads the output of ebtables-save, iptables-save and `ipset save`. Each
// may be empty.
func ParseRules(ebtables, iptables, sets string) (r Rules, err error) {
	if r.ebtables, err = parseRules(ebtables); err != nil {
		return Rules{}, fmt.Errorf("reading the output of ebtables-save: %w", err)
	}
	r.ebtables.bridge = true
	if r.iptables, err = parseRules(iptables); err != nil {
		return Rules{}, fmt.Errorf("reading the output of iptables-save: %w", err)
	}
	r.iptables.addSets(sets)
	return r, nil
}

// Pass sends an Ethernet frame from one port of a bridge to another, through the hooks
// of netfilter in the kernel's order (net/bridge/br_netfilter_hooks.c). It also returns
// the rule that drops the frame, or that makes the verdict Unknown. IPv6 packets meet
// ebtables alone.
func (r Rules) Pass(frame []byte, bridge, in, out string) (Verdict, string, error) {
	forward, err := decode(frame)
	if err != nil {
		return "", "", err
	}
	forward.bridge, forward.in, forward.out = bridge, in, out
	before, after := forward, forward
	before.out, after.in = "", ""
	hooks := []outcome{r.ebtables.base(before, "nat", "PREROUTING")}
	if forward.from.Is4() {
		hooks = append(hooks,
			r.iptables.base(before, "raw", "PREROUTING"),
			r.iptables.base(before, "mangle", "PREROUTING"),
			r.iptables.base(forward, "mangle", "FORWARD"),
			r.iptables.base(forward, "filter", "FORWARD"))
	}
	hooks = append(hooks, r.ebtables.base(forward, "filter", "FORWARD"), r.ebtables.base(after, "nat", "POSTROUTING"))
	verdict, rule := judge(hooks)
	return verdict, rule, nil
}

// judge is Dropped where one hook surely drops the frame, and Unknown where one may.
func judge(hooks []outcome) (Verdict, string) {
	if i := slices.IndexFunc(hooks, func(o outcome) bool { return o.dropped && !o.accepted && !o.returned }); i >= 0 {
		return Dropped, hooks[i].drop
	}
	if i := slices.IndexFunc(hooks, func(o outcome) bool { return o.dropped }); i >= 0 {
		return Unknown, hooks[i].doubt
	}
	return Passes, ""
}
