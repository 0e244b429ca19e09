package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/e2e/network"
)

// tellFull is the whole story: two tenants' networks with their servers, and an
// instance that boots from its tenant's.
func (s *story) tellFull(ctx context.Context) error {
	tenant, neighbour := network.First(), network.Second()
	defer tenant.Close()
	defer neighbour.Close()
	for _, t := range []*network.Tenant{tenant, neighbour} {
		heading("A tenant's network, %s", t.Bridge)
		if err := t.Open(ctx, s.lab); err != nil {
			return err
		}
		for _, server := range []*network.Server{t.OpenStack, t.DHCP, t.Web} {
			fmt.Println("  $", strings.Join(server.Command, " "))
		}
	}
	if err := s.lab.StartAgent(ctx); err != nil {
		return err
	}
	heading("Who answers whom, before an instance boots: virt-netboot probe --bridge %s", tenant.Bridge)
	answers, err := s.lab.VirtNetboot(ctx, "probe", "--bridge", tenant.Bridge)
	if err != nil {
		return err
	}
	fmt.Print(answers)
	return s.bootFull(ctx, tenant, neighbour)
}

// bootFull boots the tenant's instance and shows what happened.
func (s *story) bootFull(ctx context.Context, tenant, neighbour *network.Tenant) error {
	guest, err := s.lab.Prepare(ctx, network.Instance)
	if err != nil {
		return err
	}
	heading("Nova's instance %s through the gateway, %s", guest.Name, lab.GatewaySocket)
	if _, err := s.lab.VirshGateway(ctx, "define", guest.File); err != nil {
		return err
	}
	started := time.Now()
	if _, err := s.lab.VirshGateway(ctx, "start", guest.Name); err != nil {
		return err
	}
	if err := s.showQEMU(guest.Name); err != nil {
		return err
	}
	console := guest.Domain.Devices.Serials[0].Source.File.Path
	if err := awaitConsole(ctx, console); err != nil {
		return fmt.Errorf("%w; until then:\n%s", err, timelineText(started, tenant, neighbour))
	}
	said := time.Now()

	heading("What happened, in seconds since power on")
	fmt.Print(timelineText(started, tenant, neighbour))
	fmt.Printf("  %6.2f s  %-20s  %s\n", said.Sub(started).Seconds(), "the guest's console", strings.TrimSpace(lab.KernelSays))
	if n := neighbour.Asked(started); n > 0 {
		return fmt.Errorf("the other tenant's servers on %s were asked %d times", neighbour.Bridge, n)
	}
	fmt.Printf("  nothing at all on %s: the other tenant's servers were not asked\n", neighbour.Bridge)

	heading("The guest's screen")
	screen, err := s.lab.Screen(ctx, guest.Name)
	if err != nil {
		return err
	}
	fmt.Println("  │ " + strings.ReplaceAll(strings.TrimRight(screen, "\n"), "\n", "\n  │ "))
	return s.showPicture(ctx, guest.Name, "full.png")
}

func timelineText(since time.Time, tenants ...*network.Tenant) string {
	var text strings.Builder
	_ = network.Print(&text, since, network.Timeline(since, tenants...)) // a Builder takes it all
	return text.String()
}

// awaitConsole waits until the kernel that the tenant's script boots says on the
// serial line that it runs.
func awaitConsole(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	return lab.Await(ctx, func() error {
		text, err := os.ReadFile(path)
		if err == nil && !strings.Contains(string(text), lab.KernelSays) {
			err = fmt.Errorf("the guest's kernel has not written to %s", path)
		}
		return err
	})
}

// showPicture takes a picture of a guest's screen.
func (s *story) showPicture(ctx context.Context, name, file string) error {
	picture := filepath.Join(s.root, "demo", file)
	if err := os.MkdirAll(filepath.Dir(picture), 0o755); err != nil {
		return err
	}
	if err := s.screenshot(ctx, name, picture); err != nil {
		return err
	}
	say("screen", filepath.Join("demo", file))
	return nil
}
