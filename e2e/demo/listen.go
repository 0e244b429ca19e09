package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/e2e/network"
	"github.com/virt-netboot/virt-netboot/internal/timeline"
)

// awaitIPXE waits for iPXE's first DHCP request.
func awaitIPXE(ctx context.Context, heard *network.Capture) error {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	return lab.Await(ctx, func() error {
		if !slices.ContainsFunc(heard.Events(), timeline.Event.FromIPXE) {
			return fmt.Errorf("no DHCP request of iPXE's on the bridge")
		}
		return nil
	})
}
