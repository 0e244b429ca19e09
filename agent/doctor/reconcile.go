package doctor

import (
	"context"
	"time"
)

// maxAge is how long ago the last reconcile may be: three of the agent's rounds.
const maxAge = 15 * time.Minute

// checkReconcile asks the agent when it last brought all domains in line.
func checkReconcile(ctx context.Context, n *node) []Result {
	if n.LastReconcile == nil {
		return nil
	}
	last, err := n.LastReconcile(ctx)
	return one(judgeReconcile(last, err, n.Now()))
}

func judgeReconcile(last time.Time, err error, now time.Time) Result {
	switch age := now.Sub(last).Round(time.Second); {
	case err != nil:
		return failure("systemctl start virt-netboot", "the agent does not run: %v", err)
	case last.IsZero():
		return warning("journalctl -t virt-netboot", "the agent has not yet looked at all domains")
	case age > maxAge:
		return failure("journalctl -t virt-netboot", "the last reconcile was %v ago, at %s", age, clock(last))
	default:
		return ok("the last one was %v ago", age)
	}
}
