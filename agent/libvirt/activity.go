package libvirt

import (
	"context"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// Activity is what is going on with a guest, beyond that it runs.
type Activity string

// The activities.
const (
	ActivityNone     Activity = ""
	ActivityJob      Activity = "a job of libvirt's, such as a migration or a backup"
	ActivityStarting Activity = "its start"
	ActivityArriving Activity = "its arrival by a migration"
	// ActivityPaused: a client paused it, or started it paused.
	ActivityPaused Activity = "a pause"
)

// Activity asks what is going on with a guest. A job that libvirt does not tell about is
// none. IsNotFound recognises the error where the domain has gone.
func (c *Conn) Activity(ctx context.Context, d Domain) (Activity, error) {
	var state, reason, job int32
	err := c.call(ctx, "asking for the state of domain "+d.Name, func() (err error) {
		state, reason, err = c.rpc.DomainGetState(handle(d), 0)
		return err
	})
	if err != nil {
		return ActivityNone, err
	}
	err = c.call(ctx, "asking for the job of domain "+d.Name, func() (err error) {
		job, _, _, _, _, _, _, _, _, _, _, _, err = c.rpc.DomainGetJobInfo(handle(d))
		return err
	})
	if err != nil && !answered(err) {
		return ActivityNone, err
	}
	return activity(golibvirt.DomainState(state), golibvirt.DomainPausedReason(reason), golibvirt.DomainJobType(job)), nil
}

// activity reads libvirt's answers. A job that has ended is one that it tells about no
// more, but for its type (virDomainGetJobInfo).
func activity(state golibvirt.DomainState, reason golibvirt.DomainPausedReason, job golibvirt.DomainJobType) Activity {
	paused := state == golibvirt.DomainPaused
	switch {
	case job == golibvirt.DomainJobBounded || job == golibvirt.DomainJobUnbounded:
		return ActivityJob
	case paused && reason == golibvirt.DomainPausedStartingUp:
		return ActivityStarting
	case paused && reason == golibvirt.DomainPausedMigration:
		return ActivityArriving
	case paused && reason == golibvirt.DomainPausedUser:
		return ActivityPaused
	}
	return ActivityNone
}
