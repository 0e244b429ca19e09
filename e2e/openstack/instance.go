//go:build openstack

package openstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// Instance is one of the tenant's.
type Instance struct {
	cloud  *Cloud
	ID     string
	Domain string // libvirt's name for it, once it was awaited
	Port   *ports.Port
}

// AddInstance has Nova make an instance at a port, and waits until it runs.
func (c *Cloud) AddInstance(ctx context.Context, name string, port *ports.Port) (*Instance, error) {
	i, err := c.StartInstance(ctx, name, port)
	if err != nil {
		return nil, err
	}
	return i, i.Await(ctx, "ACTIVE")
}

// StartInstance has Nova make an instance, and does not wait.
func (c *Cloud) StartInstance(ctx context.Context, name string, port *ports.Port) (*Instance, error) {
	s, err := servers.Create(ctx, c.Tenant.Compute, servers.CreateOpts{
		Name: name, FlavorRef: Flavor, ImageRef: Image, Networks: []servers.Network{{Port: port.ID}},
	}, nil).Extract()
	if err != nil {
		return nil, fmt.Errorf("making the instance %s: %w", name, err)
	}
	return &Instance{cloud: c, ID: s.ID, Port: port}, nil
}

// instanceTime is how long Nova gets for one thing, several instances at once, on a busy machine.
const instanceTime = 12 * time.Minute

// Await waits until an instance is in a state of Nova's, and no task is under way. An
// instance in ERROR fails at once.
func (i *Instance) Await(ctx context.Context, status string) error {
	deadline := time.Now().Add(instanceTime)
	for {
		s, err := servers.Get(ctx, i.cloud.Operator.Compute, i.ID).Extract()
		if err != nil {
			return err
		}
		i.Domain = s.InstanceName
		if s.Status == status && s.TaskState == "" {
			return nil
		}
		if s.Status == "ERROR" {
			return fmt.Errorf("instance %s (%s) is in ERROR: %s", s.Name, i.Domain, s.Fault.Message)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("instance %s (%s) is %s, with the task %q, for %s; want %s", s.Name, i.Domain, s.Status, s.TaskState, instanceTime, status)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// Delete deletes it and waits until libvirt has forgotten it.
func (i *Instance) Delete(ctx context.Context) error {
	if err := servers.Delete(ctx, i.cloud.Tenant.Compute, i.ID).ExtractErr(); err != nil {
		return err
	}
	return await(ctx, "libvirt to forget "+i.Domain, func() error {
		if _, err := i.cloud.Try("virsh", "domstate", i.Domain); err == nil {
			return errors.New("it is there")
		}
		return nil
	})
}

// Booted is what an instance boots.
type Booted string

const (
	BootedScript Booted = "script" // the tenant's
	BootedDisk   Booted = "disk"
	BootedRescue Booted = "rescue disk"
)

// bootTime is from power on to the disk, past iPXE's four requests.
const bootTime = 4 * time.Minute

// Boots waits until it is seen what an instance boots: its disk, by the serial console,
// or the script of a tenant's machine, by that one's web server.
func (i *Instance) Boots(ctx context.Context, m *Machine) (Booted, error) {
	deadline := time.Now().Add(bootTime)
	for {
		if m != nil {
			if ran, err := m.Ran(i.Port.MACAddress); err != nil || ran {
				return BootedScript, err
			}
		}
		console, err := i.Console()
		switch {
		case err != nil:
			return "", err
		case strings.Contains(console, rescueText):
			return BootedRescue, nil
		case strings.Contains(console, diskText):
			return BootedDisk, nil
		case time.Now().After(deadline):
			return "", fmt.Errorf("in %s %s booted nothing that is known; its console: %q", bootTime, i.Domain, console)
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// Console is what the running guest has written to its serial port.
func (i *Instance) Console() (string, error) {
	b, err := os.ReadFile(i.cloud.Path("/var/lib/nova/instances/" + i.ID + "/console.log"))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return string(b), err
}
