package agent

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
)

// manager is the service manager, where there is one (sd_notify(3)).
type manager struct{ log *logrus.Logger }

func (m manager) tell(states ...string) {
	if _, err := daemon.SdNotify(false, strings.Join(states, "\n")); err != nil {
		m.log.WithError(err).Warnf("telling systemd %s", states[0])
	}
}

func (m manager) ready()    { m.tell(daemon.SdNotifyReady) }
func (m manager) stopping() { m.tell(daemon.SdNotifyStopping) }

// reloading tells of a reload, and what came of it in a line for systemctl status.
func (m manager) reloading(reload func() error) {
	m.tell(daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec()))
	status := "STATUS="
	if err := reload(); err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		status += "The changed configuration is refused: " + first
	}
	m.tell(daemon.SdNotifyReady, status)
}

// watchdog tells, as often as the service manager wants it, that check succeeds.
// Where it does not, nothing is told until it does again, and the service manager
// restarts the agent.
func (m manager) watchdog(ctx context.Context, check func(context.Context) error) error {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("reading what systemd wants of a watchdog: %w", err)
	}
	if limit == 0 {
		return nil
	}
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wait.C:
		}
		next := limit / 2
		if err := limited(ctx, limit/4, check); ctx.Err() != nil {
			return nil
		} else if err != nil {
			m.log.WithError(err).Error("the agent does not serve; systemd restarts it unless it recovers")
			next = limit / 10
		} else {
			m.tell(daemon.SdNotifyWatchdog)
		}
		wait.Reset(next)
	}
}

func limited(ctx context.Context, limit time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return check(ctx)
}
