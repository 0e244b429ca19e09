package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/takeover"
)

// lookAtNode returns what is so on this node, and what a client gets at libvirt's usual
// path.
func lookAtNode(ctx context.Context) (takeover.State, error) {
	state, err := takeover.Look(ctx)
	if err == nil {
		state.Ask(ctx)
	}
	return state, err
}

// settledNode is lookAtNode after what was cut is finished, unless nothing may be done.
func settledNode(ctx context.Context, dryRun bool) (takeover.State, error) {
	state, err := lookAtNode(ctx)
	if err != nil || state.Intent == nil || dryRun {
		return state, err
	}
	_ = takeover.Await(ctx) // where it fails, what is asked for now may still go well
	return lookAtNode(ctx)
}

// change does what the plan says, and tells what is so then.
func change(ctx context.Context, out io.Writer, plan takeover.Plan, goal takeover.Goal) error {
	if len(plan.Steps) > 0 {
		if err := takeover.Submit(ctx, plan); err != nil {
			return &failure{error: err}
		}
	}
	state, err := lookAtNode(ctx)
	if err != nil {
		return &failure{error: err}
	}
	if err := reached(state, goal); err != nil {
		return &failure{error: err}
	}
	if len(plan.Steps) > 0 {
		awaitMode(ctx, goal.Mode)
	}
	return write(out, []byte(line("%s", standing(state))))
}

// modeWait is how long an agent may take to see that its configuration has changed.
const modeWait = 10 * time.Second

// awaitMode waits until the agent has a mode in force, so that what a client defines next
// is treated as this command has said. It does not wait for an agent that does not answer,
// or has found a mistake in the configuration.
func awaitMode(ctx context.Context, mode config.Mode) {
	ctx, cancel := context.WithTimeout(ctx, modeWait)
	defer cancel()
	for {
		s, err := status.Node(ctx, status.Dir)
		if err != nil || mode == "" || s.Config.Mode == mode || s.Config.Error != "" {
			return
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}

// reached is the error of a node that is not like the goal after a change, or where
// clients do not get to libvirt.
func reached(s takeover.State, goal takeover.Goal) error {
	if s.Unreachable != nil {
		return fmt.Errorf("libvirt does not answer where its clients look for it: %w", s.Unreachable)
	}
	if p, err := s.Plan(goal); err != nil || len(p.Steps) > 0 {
		return errors.Join(errors.New("it is not done; journalctl -u virt-netboot-takeover says why"), err)
	}
	return nil
}

// printSteps writes what would be done, as commands.
func printSteps(w io.Writer, p takeover.Plan) error {
	for _, s := range p.Steps {
		if err := write(w, fmt.Appendln(nil, s)); err != nil {
			return err
		}
	}
	return nil
}
