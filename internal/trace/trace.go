// Package trace follows the network boot of one instance: it waits for its start,
// takes the frames off its interfaces and has them told as a timeline.
package trace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/internal/capability"
	"github.com/virt-netboot/virt-netboot/internal/capture"
	"github.com/virt-netboot/virt-netboot/internal/timeline"
)

// Libvirt is what a trace asks libvirt for.
type Libvirt interface {
	Read(ctx context.Context, nameOrUUID string) (libvirt.State, error)
	Events(ctx context.Context) (<-chan libvirt.Event, error)
}

// Options say what to trace, and who is told.
type Options struct {
	Domain string // its name or UUID
	// Timeout is how long a trace lasts at most, from the guest's start.
	Timeout time.Duration
	// File is the path of a pcapng file for the frames; empty is none.
	File string

	Waiting func()                          // the domain is shut off
	Started func([]timeline.NIC, []Skipped) // the trace begins
	Event   func(timeline.Event) error      // an error ends the trace
}

// Run traces until the boot is over. The context ends the wait for a start with an
// error, and a trace with a verdict.
func Run(ctx context.Context, conn Libvirt, o Options) (timeline.Verdict, error) {
	err := capability.Require("trace", capability.Need{Bit: unix.CAP_NET_RAW, For: "to hear what the guest sends"})
	if err != nil {
		return timeline.Verdict{}, err
	}
	if _, err := os.Lstat(o.File); o.File != "" && err == nil { // before the wait; Create is what decides
		return timeline.Verdict{}, fmt.Errorf("keeping the frames: %s is there already", o.File)
	}
	with, without, err := awaitNICs(ctx, conn, o)
	if err != nil {
		return timeline.Verdict{}, err
	}
	start := time.Now()
	listeners, err := listen(with)
	defer func() { closeAll(listeners) }()
	if err != nil {
		return timeline.Verdict{}, err
	}
	file, err := create(o.File, with)
	if err != nil {
		return timeline.Verdict{}, err
	}
	o.Started(with, without)
	// Frames end with their devices alone, so that their end means that the guest was stopped.
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	r := run{Options: o, timeline: timeline.New(start, with...), file: file}
	end, err := r.follow(ctx, frames(reading, listeners))
	if file != nil {
		err = errors.Join(err, file.Close())
	}
	return r.timeline.Verdict(end, lost(listeners)), err
}

// awaitNICs waits until the domain runs, and returns its interfaces.
func awaitNICs(ctx context.Context, conn Libvirt, o Options) (with []timeline.NIC, without []Skipped, err error) {
	listening, stop := context.WithCancel(ctx)
	events, err := conn.Events(listening) // before the domain is read, so that no start is missed
	if err != nil {
		stop()
		return nil, nil, err
	}
	defer func() {
		stop()
		for range events { // what is on its way
		}
	}()
	told := false
	for {
		s, err := conn.Read(ctx, o.Domain)
		if err != nil {
			return nil, nil, err
		}
		if s.Active {
			if with, without, err = nics(s.Live, present); err != nil || len(with) > 0 {
				return with, without, err
			}
			return nil, nil, noNIC(s.Name, without)
		}
		if !told {
			o.Waiting()
			told = true
		}
		if err := awaitEvent(ctx, events, s.UUID); err != nil {
			return nil, nil, err
		}
	}
}

// awaitEvent waits until something happens to a domain.
func awaitEvent(ctx context.Context, events <-chan libvirt.Event, uuid string) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-events:
			if !ok {
				return errors.Join(ctx.Err(), libvirt.ErrClosed)
			}
			if e.UUID == uuid {
				return nil
			}
		}
	}
}

func noNIC(domain string, without []Skipped) error {
	if len(without) == 0 {
		return fmt.Errorf("%s has no network interface", domain)
	}
	var errs []error
	for _, s := range without {
		errs = append(errs, fmt.Errorf("nothing of %s can be traced on this node: interface %s: %s", domain, s.MAC, s.Why))
	}
	return errors.Join(errs...)
}

func listen(nics []timeline.NIC) ([]*capture.Listener, error) {
	var all []*capture.Listener
	for _, nic := range nics {
		l, err := capture.Listen(nic.Device)
		if err != nil {
			return all, err
		}
		all = append(all, l)
	}
	return all, nil
}

func closeAll(listeners []*capture.Listener) {
	for _, l := range listeners {
		_ = l.Close() // nothing is lost with it
	}
}

func create(path string, nics []timeline.NIC) (*capture.File, error) {
	if path == "" {
		return nil, nil
	}
	var devices []string
	for _, nic := range nics {
		devices = append(devices, nic.Device)
	}
	return capture.Create(path, devices)
}

func lost(listeners []*capture.Listener) (sum int) {
	for _, l := range listeners {
		sum += l.Lost()
	}
	return sum
}
