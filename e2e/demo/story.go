package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/e2e/network"
	"github.com/virt-netboot/virt-netboot/e2e/picture"
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
	if err := s.bypassTheGateway(ctx, guest); err != nil {
		return err
	}
	return s.throughTheGateway(ctx, guest)
}

// bypassTheGateway is how a node behaves without a gateway: the hook can only say
// what is wrong.
func (s *story) bypassTheGateway(ctx context.Context, guest *lab.Guest) error {
	heading("Nova's %s, bypassing the gateway", guest.Name)
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
	heading("The same instance through the gateway")
	if err := s.lab.StartAgent(ctx); err != nil {
		return err
	}
	if err := s.showRewrite(ctx, guest.File); err != nil {
		return err
	}
	if _, err := s.lab.VirshGateway(ctx, "define", guest.File); err != nil {
		return err
	}
	heard, err := network.Listen(guest.Domain.Devices.Interfaces[0].Source.Bridge.Bridge)
	if err != nil {
		return err
	}
	defer heard.Close()
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
	return s.showGuest(ctx, guest, heard, started)
}

// showGuest waits until iPXE has asked and takes a picture of its screen.
func (s *story) showGuest(ctx context.Context, guest *lab.Guest, heard *network.Capture, started time.Time) error {
	if err := awaitIPXE(ctx, heard); err != nil {
		return err
	}
	say("guest", fmt.Sprintf("%.1f s after power on: a DHCPDISCOVER of iPXE's from %s",
		time.Since(started).Seconds(), guest.Domain.Devices.Interfaces[0].MAC.Address))
	return s.showPicture(ctx, guest.Name, "ipxe.png")
}

// showRewrite prints the lines of a document that the gateway changes.
func (s *story) showRewrite(ctx context.Context, document string) error {
	diff, err := s.lab.Command(ctx, filepath.Join(s.root, "bin", "virt-netboot"), "rewrite", "--diff", "--color", "never", document)
	if err != nil {
		return err
	}
	label := "XML"
	for _, line := range changedLines(diff) {
		say(label, line)
		label = ""
	}
	return nil
}

// changedLines are the lines that a diff adds and removes. The undo record is one
// line: it has what the others remove.
func changedLines(diff string) []string {
	var lines []string
	inRecord := false
	for line := range strings.Lines(diff) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
		case strings.Contains(line, "</netboot:domain>"):
			inRecord = false
		case strings.Contains(line, "<netboot:domain "):
			inRecord = true
			lines = append(lines, "+ the undo record, in <metadata>: what was there")
		case inRecord:
		case strings.HasPrefix(line, "+"), strings.HasPrefix(line, "-"):
			lines = append(lines, line)
		}
	}
	return lines
}

// showQEMU prints which of the guest's devices QEMU tries to boot from.
func (s *story) showQEMU(name string) error {
	args, err := s.lab.QEMUCommandLine(name)
	if err != nil {
		return err
	}
	label := "QEMU"
	for i, arg := range args {
		if i == 0 || args[i-1] != "-device" || !strings.Contains(arg, "virtio-blk") && !strings.Contains(arg, "virtio-net") {
			continue
		}
		var device struct{ ID, Driver, BootIndex any }
		if err := json.Unmarshal([]byte(arg), &device); err != nil {
			return fmt.Errorf("reading QEMU's -device %s: %w", arg, err)
		}
		order := "no bootindex: never tried"
		if device.BootIndex != nil {
			order = fmt.Sprintf("bootindex %v", device.BootIndex)
		}
		say(label, fmt.Sprintf("%-14v %-12v  %s", device.Driver, device.ID, order))
		label = ""
	}
	return nil
}

// showHook prints what the hook has told the journal.
func (s *story) showHook(ctx context.Context) error {
	entries, err := s.lab.Journal(ctx, "-t", "virt-netboot")
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e map[string]string) bool { return e["OPERATION"] == "" }) // the agent's
	label := "hook"
	for _, e := range entries[s.told:] {
		say(label, e["MESSAGE"])
		label = ""
	}
	if len(entries) == s.told {
		say(label, "nothing to warn about: the domain is in sync with its rule")
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
	screenshot, err := os.ReadFile(raw)
	if err != nil {
		return err
	}
	png, err := picture.PNG(screenshot)
	if err != nil {
		return err
	}
	return os.WriteFile(file, png, 0o644)
}

func heading(format string, args ...any) {
	fmt.Printf("\n\x1b[1m"+format+"\x1b[0m\n", args...)
}

// say prints a text after its label, in lines of 80 characters.
func say(label, text string) {
	const width = 80 - len("  label    ")
	for len(text) > width && strings.Contains(text[:width], " ") {
		at := strings.LastIndex(text[:width], " ")
		fmt.Printf("  %-7s  %s\n", label, text[:at])
		label, text = "", text[at+1:]
	}
	fmt.Printf("  %-7s  %s\n", label, text)
}
