package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// forwardAfter is more than twice the longest forward delay of STP.
const forwardAfter = 40 * time.Second

// awaitForwarding waits until the bridge passes frames from and to a port; with
// STP it does not do so at once.
func awaitForwarding(ctx context.Context, port netlink.Link) error {
	const forwarding = 3 // BR_STATE_FORWARDING of linux/if_bridge.h
	ctx, cancel := context.WithTimeoutCause(ctx, forwardAfter, fmt.Errorf("the bridge does not forward to it after %s; is it blocked by STP?", forwardAfter))
	defer cancel()
	for {
		state, err := portState(port)
		if err != nil {
			return fmt.Errorf("asking for the state of %s in the bridge: %w", port.Attrs().Name, err)
		}
		if state == forwarding {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// portState asks the kernel what a bridge does with a port. /sys would not do: it shows
// the network namespace that it was mounted in, and nsenter --net goes to another.
func portState(port netlink.Link) (uint8, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_ACK)
	about := nl.NewIfInfomsg(unix.AF_UNSPEC)
	about.Index = int32(port.Attrs().Index)
	req.AddData(about)
	messages, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if err != nil {
		return 0, err
	}
	for _, m := range messages {
		state, err := attribute(m[unix.SizeofIfInfomsg:], unix.IFLA_LINKINFO, nl.IFLA_INFO_SLAVE_DATA, nl.IFLA_BRPORT_STATE)
		if err != nil {
			return 0, err
		}
		if len(state) == 1 {
			return state[0], nil
		}
	}
	return 0, errors.New("it is in no bridge")
}

// attribute follows a path through nested attributes of netlink's; nil where there is
// no such attribute.
func attribute(b []byte, path ...uint16) ([]byte, error) {
	for _, want := range path {
		attrs, err := nl.ParseRouteAttr(b)
		if err != nil {
			return nil, err
		}
		b = nil
		for _, a := range attrs {
			if a.Attr.Type&nl.NLA_TYPE_MASK == want {
				b = a.Value
			}
		}
	}
	return b, nil
}
