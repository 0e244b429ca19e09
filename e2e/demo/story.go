package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/e2e/network"
)

// story is the demo step by step.
type story struct {
	lab  *lab.Lab
	root string // the checkout: programs in bin, pictures go to demo
	told int    // how many of the journal's entries were shown
}

func (s *story) tell(ctx context.Context) error {
	guest, err := s.lab.Prepare(ctx, network.Instance)
	if err != nil {
		return err
	}
	if err := s.pastTheGateway(ctx, guest); err != nil {
		return err
	}
	return s.throughTheGateway(ctx, guest)
}

// pastTheGateway is how a node behaves without a gateway: the hook can only say
// what is wrong.
func (s *story) pastTheGateway(ctx context.Context, guest *lab.Guest) error {
	heading("Nova's instance %s, defined through libvirt's own socket", guest.Name)
	if _, err := s.lab.Virsh(ctx, "define", guest.File); err != nil {
		return err
	}
	if _, err := s.lab.Virsh(ctx, "start", "--paused", guest.Name); err != nil {
		return err
	}
	if err := s.showQEMU(guest.Name); err != nil {
		return err
	}
	if err := s.showHook(ctx); err != nil {
		return err
	}
	_, err := s.lab.Virsh(ctx, "destroy", guest.Name)
	if err == nil {
		_, err = s.lab.Virsh(ctx, "undefine", guest.Name)
	}
	return err
}

func (s *story) throughTheGateway(ctx context.Context, guest *lab.Guest) error {
	heading("The same instance through the gateway, %s", lab.GatewaySocket)
	if err := s.lab.StartAgent(ctx); err != nil {
		return err
	}
	diff, err := s.lab.Command(ctx, filepath.Join(s.root, "bin", "virt-netboot"), "rewrite", "--diff", "--color", "always", guest.File)
	if err != nil {
		return err
	}
	fmt.Println(diff)
	if _, err := s.lab.VirshGateway(ctx, "define", guest.File); err != nil {
		return err
	}
	heard := listen(ctx, guest.Domain.Devices.Interfaces[0].Source.Bridge.Bridge)
	if _, err := s.lab.VirshGateway(ctx, "start", guest.Name); err != nil {
		return err
	}
	started := time.Now()
	if err := s.showQEMU(guest.Name); err != nil {
		return err
	}
	if err := s.showHook(ctx); err != nil {
		return err
	}
	heading("Waiting for the guest to ask the network (emulated, so a few seconds)")
	return s.showGuest(ctx, guest, heard, started)
}

// showGuest waits until iPXE has asked and takes a picture of its screen.
func (s *story) showGuest(ctx context.Context, guest *lab.Guest, heard <-chan error, started time.Time) error {
	select {
	case err := <-heard:
		if err != nil {
			return fmt.Errorf("listening on the bridge: %w", err)
		}
	case <-time.After(bootTime):
		return fmt.Errorf("no DHCP request of iPXE's on the bridge in %s", bootTime)
	case <-ctx.Done():
		return ctx.Err()
	}
	fmt.Printf("  %.1f s after power on: DHCPDISCOVER with user class iPXE (option 77) from %s\n",
		time.Since(started).Seconds(), guest.Domain.Devices.Interfaces[0].MAC.Address)
	return s.showPicture(ctx, guest.Name, "ipxe.png")
}

// showQEMU prints the part of QEMU's command line that says what boots.
func (s *story) showQEMU(name string) error {
	args, err := s.lab.QEMUCommandLine(name)
	if err != nil {
		return err
	}
	fmt.Println("  QEMU was started with")
	for i, arg := range args {
		if i > 0 && args[i-1] == "-device" && (strings.Contains(arg, "virtio-blk") || strings.Contains(arg, "virtio-net")) {
			fmt.Println("    -device", arg)
		}
	}
	return nil
}

// showHook prints what the hook has told the journal.
func (s *story) showHook(ctx context.Context) error {
	entries, err := s.lab.Journal(ctx, "-t", "virt-netboot")
	if err != nil {
		return err
	}
	fmt.Println("  the hook logged (journalctl -t virt-netboot)")
	entries = slices.DeleteFunc(entries, func(e map[string]string) bool { return e["OPERATION"] == "" }) // the agent's
	for _, e := range entries[s.told:] {
		fmt.Printf("    %s\n", e["MESSAGE"])
	}
	if len(entries) == s.told {
		fmt.Println("    nothing: the domain is as the policy wants it")
	}
	s.told = len(entries)
	return nil
}

func (s *story) screenshot(ctx context.Context, name, file string) error {
	raw := file + ".raw"
	defer os.Remove(raw)
	if _, err := s.lab.Virsh(ctx, "screenshot", name, "--file", raw); err != nil {
		return err
	}
	return toPNG(raw, file)
}

func heading(format string, args ...any) {
	fmt.Printf("\n\x1b[1m"+format+"\x1b[0m\n", args...)
}
