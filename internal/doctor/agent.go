package doctor

import (
	"context"
	"errors"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/status"
)

// startAgent starts an agent that does not run. systemd starts none that has failed
// three times within a minute, until that is reset.
const startAgent = "systemctl reset-failed virt-netboot; systemctl restart virt-netboot"

// checkAgent asks the agent whether it runs as it should.
func checkAgent(_ context.Context, n *node) []Result {
	switch err := n.agentErr; {
	case errors.Is(err, status.ErrNotRunning):
		return one(failure(startAgent, "%v", err))
	case err != nil:
		return one(unknown(err))
	case n.agent.Version != n.Version:
		return one(warning("systemctl restart virt-netboot", "the agent (pid %d) has version %s, this program %s", n.agent.PID, n.agent.Version, n.Version))
	}
	return one(ok("version %s runs since %s (pid %d)", n.agent.Version, clock(n.agent.Started), n.agent.PID))
}

// maxAge is how long ago the last reconcile may be: three of the agent's rounds.
const maxAge = 15 * time.Minute

// checkReconcile tells whether the agent keeps all domains in sync.
func checkReconcile(_ context.Context, n *node) []Result {
	switch {
	case n.agentErr != nil:
		return one(warning("see agent", "not checked, since the agent does not answer"))
	case !n.agent.Has(status.ComponentReconcile):
		return one(ok("it is no part of the agent here"))
	}
	return one(judgeReconcile(n.agent.LastReconcile, n.Now()))
}

func judgeReconcile(last, now time.Time) Result {
	switch age := now.Sub(last).Round(time.Second); {
	case last.IsZero():
		return warning("journalctl -t virt-netboot", "the agent has not yet looked at all domains")
	case age > maxAge:
		return failure("journalctl -t virt-netboot", "the last one was %v ago, at %s", age, clock(last))
	default:
		return ok("the last one was %v ago", age)
	}
}
