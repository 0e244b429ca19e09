package libvirt

import (
	"testing"

	golibvirt "github.com/digitalocean/go-libvirt"
)

func TestActivity(t *testing.T) {
	for name, c := range map[string]struct {
		state  golibvirt.DomainState
		reason golibvirt.DomainPausedReason
		job    golibvirt.DomainJobType
		want   Activity
	}{
		"runs":                  {golibvirt.DomainRunning, 1, golibvirt.DomainJobNone, ActivityNone},
		"leaves by a migration": {golibvirt.DomainRunning, 1, golibvirt.DomainJobUnbounded, ActivityJob},
		"a backup":              {golibvirt.DomainPaused, golibvirt.DomainPausedUser, golibvirt.DomainJobBounded, ActivityJob},
		"a job that has ended":  {golibvirt.DomainRunning, 1, golibvirt.DomainJobCompleted, ActivityNone},
		"starts":                {golibvirt.DomainPaused, golibvirt.DomainPausedStartingUp, golibvirt.DomainJobNone, ActivityStarting},
		"arrives":               {golibvirt.DomainPaused, golibvirt.DomainPausedMigration, golibvirt.DomainJobNone, ActivityArriving},
		"paused":                {golibvirt.DomainPaused, golibvirt.DomainPausedUser, golibvirt.DomainJobNone, ActivityPaused},
		"its disk is full":      {golibvirt.DomainPaused, golibvirt.DomainPausedIoerror, golibvirt.DomainJobNone, ActivityNone},
	} {
		t.Run(name, func(t *testing.T) {
			if got := activity(c.state, c.reason, c.job); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
