// Package status is an agent's status, and the control socket that it is served on:
//
//	go status.Serve(ctx, listener, func() status.Status { … }) // in the agent
//	s, err := status.Node(ctx, status.Dir)                     // in another process
//
// The answer is JSON over HTTP on a unix socket that only root may use:
//
//	curl --unix-socket /run/virt-netboot/control.sock http://localhost/status
package status

import (
	"fmt"
	"slices"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/gateway"
	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/agent/reload"
	"github.com/virt-netboot/virt-netboot/agent/resync"
)

// Status is a node, as its agent sees it.
type Status struct {
	Version string    `json:"version"` // of the agent
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	// Components are those of the agent that run. The fields of the others are zero.
	Components []string `json:"components"`

	Config  reload.Status   `json:"config"`
	Gateway Gateway         `json:"gateway"`
	Files   []resync.Status `json:"files"`
	reconcile.Status
}

// Gateway is where the gateway listens, and what it has done.
type Gateway struct {
	Listen   []string `json:"listen"`   // paths of its sockets
	Upstream string   `json:"upstream"` // path of libvirt's own
	gateway.Stats
}

// The names of an agent's components.
const (
	ComponentGateway   = "gateway"
	ComponentReconcile = "reconcile"
	ComponentFiles     = "files"
	ComponentMetrics   = "metrics"
)

// Has reports whether a component of the agent runs.
func (s Status) Has(component string) bool { return slices.Contains(s.Components, component) }

// Problems are what the agent should do and cannot, a line each. A guest that cannot
// boot from the network for a reason of its own is not a problem of the agent: its
// domain has a warning.
func (s Status) Problems() []string {
	var all []string
	if s.Config.Error != "" {
		all = append(all, "the changed configuration is refused")
	}
	if s.Has(ComponentReconcile) && !s.Libvirt.Connected {
		all = append(all, "no connection to libvirt")
	}
	for _, f := range s.Files {
		if f.State == resync.StateFailed {
			all = append(all, fmt.Sprintf("%s could not be patched", f.Path))
		}
	}
	for _, d := range s.Domains {
		switch {
		case !d.BackingOffUntil.IsZero():
			all = append(all, fmt.Sprintf("backing off from domain %s: another program changes it back", d.Name))
		case d.Error != "":
			all = append(all, fmt.Sprintf("domain %s could not be brought in sync", d.Name))
		}
	}
	return all
}
