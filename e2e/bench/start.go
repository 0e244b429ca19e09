package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/e2e/bench/process"
	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// starts is how often the guest is started each way.
const starts = 20

// start times a guest's whole virsh start on two libvirtds in turns: the lab's, with
// hook, gateway and reconciler as on a node, and one that has never had any of them.
// libvirtd looks for hooks only when it starts: one libvirtd would have to be restarted
// between the turns, and be timed with cold caches.
func (b bench) start(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	dir, err := os.MkdirTemp("/run", "bench-")
	if err != nil {
		return err
	}
	alone, err := b.startLibvirtdAlone(ctx, filepath.Join(dir, "alone"))
	if err != nil {
		return err
	}
	if err := b.installHook(dir); err != nil {
		return err
	}
	defer os.Remove(lab.HookPath)
	if err := b.enable(); err != nil {
		return err
	}
	if err := b.lab.RestartLibvirtd(ctx); err != nil {
		return err
	}
	if err := b.lab.StartAgent(ctx, "--only", "gateway,reconcile,metrics"); err != nil { // as its unit does
		return err
	}
	defer func() { _ = b.lab.StopAgent() }()
	guest, err := b.guestWithoutFilter(ctx)
	if err != nil {
		return err
	}
	for _, socket := range []string{alone, lab.GatewaySocket} {
		if _, err := b.lab.Command(ctx, "virsh", virsh(socket, "define", guest.File)...); err != nil {
			return err
		}
	}
	fmt.Printf("\nstarting a guest %d times each way …\n", starts)
	times, err := process.Ratios(ctx, starts, os.DevNull,
		startOver("neither", alone, guest.Name),
		startOver("hook", lab.LibvirtSocket, guest.Name),
		startOver("hook and gateway", lab.GatewaySocket, guest.Name))
	for _, t := range times {
		fmt.Println(" ", t)
	}
	if err != nil {
		return err
	}
	if _, err := b.lab.Virsh(ctx, "undefine", guest.Name); err != nil {
		return err
	}
	return printTable("a guest's virsh start, time of the whole command", []row{
		{"with hook and gateway", "neither", times[2].Ratio, goal{ratio: 1.02}},
		{"with the hook", "neither", times[1].Ratio, goal{}},
	})
}

// startLibvirtdAlone starts a libvirtd without hooks beside the lab's, until the context
// ends, and returns its socket.
func (b bench) startLibvirtdAlone(ctx context.Context, dir string) (string, error) {
	log, err := os.Create(dir + ".log")
	if err != nil {
		return "", err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, "unshare", "--mount", filepath.Join(b.testdata, "libvirtd-alone"), dir)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("starting a second libvirtd: %w", err)
	}
	socket := filepath.Join(dir, "run", "libvirt-sock")
	ctx, cancel := context.WithTimeoutCause(ctx, 20*time.Second, errors.New("not within 20 seconds"))
	defer cancel()
	err = lab.Await(ctx, func() error {
		_, err := b.lab.Command(ctx, "virsh", virsh(socket, "version")...)
		return err
	})
	if err != nil {
		said, _ := os.ReadFile(log.Name())
		return "", fmt.Errorf("starting a second libvirtd: %w; its log:\n%s", err, said)
	}
	return socket, nil
}

// guestWithoutFilter is a guest that starts as fast with the rules as without: the
// default rule removes the nwfilter, which takes libvirtd longer than anything of ours.
func (b bench) guestWithoutFilter(ctx context.Context) (*lab.Guest, error) {
	document, err := os.ReadFile(filepath.Join(b.testdata, "domain.xml"))
	if err != nil {
		return nil, err
	}
	var domain libvirtxml.Domain
	if err := domain.Unmarshal(string(document)); err != nil {
		return nil, err
	}
	for i := range domain.Devices.Interfaces {
		domain.Devices.Interfaces[i].FilterRef = nil
	}
	unfiltered, err := domain.Marshal()
	if err != nil {
		return nil, err
	}
	return b.lab.Prepare(ctx, unfiltered)
}

// startOver is the start of a guest over a socket. After it there is a moment for what
// goes on after the guest's end, in the kernel and in the agent.
func startOver(name, socket, guest string) process.Command {
	return process.Command{
		Name:  name,
		Args:  append([]string{"virsh"}, virsh(socket, "start", guest)...),
		After: append([]string{"sh", "-c", `virsh "$@" && sleep 0.2`, "sh"}, virsh(socket, "destroy", guest)...),
	}
}

func virsh(socket string, args ...string) []string {
	return append([]string{"--quiet", "--connect", lab.URI(socket)}, args...)
}
