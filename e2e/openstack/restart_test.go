//go:build openstack

package openstack

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// restarts restarts the agent again and again while Nova makes instances.
func restarts(ctx context.Context, t *testing.T, c *Cloud) {
	n, err := c.Tenant.AddNet(ctx, "restarts", "10.40.0.0/24", c.Driver == OVN)
	must(t, err)
	var all []*Instance
	for k := range 4 {
		p, err := c.Tenant.AddPort(ctx, n, Port{})
		must(t, err)
		i, err := c.StartInstance(ctx, fmt.Sprintf("restarted-%d", k), p)
		must(t, err)
		all = append(all, i)
	}
	stop := make(chan struct{})
	restarted := make(chan int)
	go func() {
		count := 0
		defer func() { restarted <- count }()
		for {
			select {
			case <-stop:
				return
			case <-time.After(3 * time.Second): // systemd allows five in ten seconds
			}
			if _, err := c.Try("systemctl", "restart", "virt-netboot"); err != nil {
				t.Error(err)
				return
			}
			count++
		}
	}()
	for _, i := range all {
		if err := i.Await(ctx, "ACTIVE"); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	count := <-restarted
	t.Logf("%d restarts while Nova made %d instances", count, len(all))
	if count < len(all) {
		t.Error("too few to hit anything")
	}
	for _, i := range all {
		must(t, i.triesNetworkFirst(ctx))
		must(t, i.Delete(ctx))
	}
}

// triesNetworkFirst says whether QEMU has the network before the disk.
func (i *Instance) triesNetworkFirst(ctx context.Context) error {
	return await(ctx, "the network first in "+i.Domain, func() error {
		out, err := i.cloud.Try("virsh", "dumpxml", i.Domain)
		if err != nil {
			return err
		}
		network, disk := strings.Index(out, "<boot dev='network'/>"), strings.Index(out, "<boot dev='hd'/>")
		if network < 0 || disk >= 0 && disk < network {
			return fmt.Errorf("boot order:\n%s", out)
		}
		return nil
	})
}
