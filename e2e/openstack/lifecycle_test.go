//go:build openstack

package openstack

import (
	"context"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
)

// lifecycle takes an instance through what Nova can do with one. After each step it is
// as Nova says, and it still tries the network first.
func lifecycle(ctx context.Context, t *testing.T, c *Cloud) {
	n, err := c.Tenant.AddNet(ctx, "lifecycle", "10.50.0.0/24", c.Driver == OVN)
	must(t, err)
	p, err := c.Tenant.AddPort(ctx, n, Port{})
	must(t, err)
	i, err := c.AddInstance(ctx, "lifecycle", p)
	must(t, err)
	type call func(ctx context.Context, client *gophercloud.ServiceClient, id string) error
	reboot := func(how servers.RebootMethod) call {
		return func(ctx context.Context, client *gophercloud.ServiceClient, id string) error {
			return servers.Reboot(ctx, client, id, servers.RebootOpts{Type: how}).ExtractErr()
		}
	}
	for _, step := range []struct {
		name, status string
		do           call
	}{
		{"stop", "SHUTOFF", func(ctx context.Context, client *gophercloud.ServiceClient, id string) error {
			return servers.Stop(ctx, client, id).ExtractErr()
		}},
		{"start", "ACTIVE", func(ctx context.Context, client *gophercloud.ServiceClient, id string) error {
			return servers.Start(ctx, client, id).ExtractErr()
		}},
		{"soft reboot", "ACTIVE", reboot(servers.SoftReboot)},
		{"hard reboot", "ACTIVE", reboot(servers.HardReboot)},
		{"pause", "PAUSED", func(ctx context.Context, client *gophercloud.ServiceClient, id string) error {
			return servers.Pause(ctx, client, id).ExtractErr()
		}},
		{"unpause", "ACTIVE", func(ctx context.Context, client *gophercloud.ServiceClient, id string) error {
			return servers.Unpause(ctx, client, id).ExtractErr()
		}},
		{"suspend", "SUSPENDED", func(ctx context.Context, client *gophercloud.ServiceClient, id string) error {
			return servers.Suspend(ctx, client, id).ExtractErr()
		}},
		{"resume", "ACTIVE", func(ctx context.Context, client *gophercloud.ServiceClient, id string) error {
			return servers.Resume(ctx, client, id).ExtractErr()
		}},
		{"rescue", "RESCUE", func(ctx context.Context, client *gophercloud.ServiceClient, id string) error {
			return servers.Rescue(ctx, client, id, servers.RescueOpts{RescueImageRef: RescueImage}).Err
		}},
		{"unrescue", "ACTIVE", func(ctx context.Context, client *gophercloud.ServiceClient, id string) error {
			return servers.Unrescue(ctx, client, id).ExtractErr()
		}},
		{"rebuild", "ACTIVE", func(ctx context.Context, client *gophercloud.ServiceClient, id string) error {
			return servers.Rebuild(ctx, client, id, servers.RebuildOpts{ImageRef: Image}).Err
		}},
		{"resize", "VERIFY_RESIZE", func(ctx context.Context, client *gophercloud.ServiceClient, id string) error {
			return servers.Resize(ctx, client, id, servers.ResizeOpts{FlavorRef: LargeFlavor}).ExtractErr()
		}},
		{"revert of the resize", "ACTIVE", func(ctx context.Context, client *gophercloud.ServiceClient, id string) error {
			return servers.RevertResize(ctx, client, id).ExtractErr()
		}},
		{"shelve", "SHELVED_OFFLOADED", func(ctx context.Context, client *gophercloud.ServiceClient, id string) error {
			return servers.Shelve(ctx, client, id).ExtractErr()
		}},
		{"unshelve", "ACTIVE", func(ctx context.Context, client *gophercloud.ServiceClient, id string) error {
			return servers.Unshelve(ctx, client, id, servers.UnshelveOpts{}).ExtractErr()
		}},
	} {
		began := time.Now()
		if err := step.do(ctx, c.Tenant.Compute, i.ID); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if err := i.Await(ctx, step.status); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		t.Logf("%s: %s, %s", step.name, step.status, time.Since(began).Round(time.Second))
		switch step.status {
		case "SHELVED_OFFLOADED", "SHUTOFF", "SUSPENDED":
		case "RESCUE":
			checkBoots(ctx, t, i, nil, BootedRescue)
		default:
			if err := i.triesNetworkFirst(ctx); err != nil {
				t.Errorf("%s: %v", step.name, err)
			}
		}
	}
	must(t, i.Delete(ctx))
}
