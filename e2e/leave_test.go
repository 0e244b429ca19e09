package e2e

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestLeave: libvirtd outlives an agent that leaves in the middle of its work, again
// and again. libvirtd 9.0 crashes about once in 200 times where a connection with
// events is cut while it answers calls.
func TestLeave(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		const times = 1000
		g := novaGuest(t, l, "image-qcow2-neutron")
		virsh(t, l, "define", g.File)
		before := pidOf(t, l, "libvirtd")
		for range times {
			leaveAtWork(t, g.Name)
		}
		if now := pidOf(t, l, "libvirtd"); now != before {
			t.Errorf("libvirtd is process %s, was %s", now, before)
		}
	})
}

// leaveAtWork connects as the reconciler does, and ends while four workers read.
func leaveAtWork(t *testing.T, domain string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	conn, err := libvirt.Dial(ctx, lab.LibvirtSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	events, err := conn.Events(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		go func() {
			for ctx.Err() == nil {
				if _, err := conn.Read(ctx, domain); err != nil && ctx.Err() == nil {
					t.Errorf("reading: %v", err)
					return
				}
			}
		}()
	}
	time.Sleep(rand.N(8 * time.Millisecond))
	stop()
	for range events {
	}
}

func pidOf(t *testing.T, l *lab.Lab, program string) string {
	t.Helper()
	out, err := l.Command(t.Context(), "pgrep", "-x", program)
	if err != nil {
		t.Fatalf("%s does not run: %v", program, err)
	}
	return strings.TrimSpace(out)
}
