package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/internal/existing"
)

const (
	soakClients = 20
	// soakShort is without SOAKTIME. With a lab around it, it takes less than two minutes.
	soakShort = 44 * time.Second
	// How much more the agent may have at the end, without a client, than it had before.
	soakMemory      = 32 << 20
	soakHeap        = 16 << 20
	soakDescriptors = 4
)

// TestSoak: 20 clients work while all around them fails. No call is lost, no domain is
// half rewritten, and the agent gives back what it takes. SOAKTIME is how long (make soak).
//
// The clock is not set back: a namespace has no clock of its own that tells the time of
// day.
func TestSoak(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true, Config: "existing: sync\n"}, func(t *testing.T, l *lab.Lab) {
		ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
		defer stop()
		length := soakShort
		if given := os.Getenv("SOAKTIME"); given != "" {
			var err error
			length, err = time.ParseDuration(given)
			must(t, err)
		}
		must(t, unix.Mount("tmpfs", existing.Dir, "tmpfs", 0, "size=64k,mode=0755"))
		startAgent(t, l)
		tally, began := &soakTally{t: t}, time.Now()
		defer func() {
			t.Logf("soak: %v, %d clients: %v", time.Since(began).Round(time.Second), soakClients, tally)
			if tally.lost > 0 || tally.half > 0 {
				t.Error("calls are lost, or domains half rewritten")
			}
		}()

		agentEnds := []soakFault{
			{"the agent is restarted", func(ctx context.Context) error {
				if err := l.StopAgent(); err != nil {
					return err
				}
				return l.StartAgent(ctx)
			}},
			{"the agent is killed", func(ctx context.Context) error {
				l.KillAgent()
				return l.StartAgent(ctx)
			}},
			{"the disk is full at a start of the agent", func(ctx context.Context) error {
				if err := fillDisk(existing.Dir); err != nil {
					return err
				}
				l.KillAgent()
				if err := l.StartAgent(ctx); err != nil {
					return err
				}
				return emptyDisk(existing.Dir)
			}},
		}
		libvirtdEnds := []soakFault{
			{"libvirtd is killed", func(ctx context.Context) error {
				l.KillLibvirtd()
				return l.StartLibvirtd(ctx)
			}},
			{"libvirtd is restarted", func(ctx context.Context) error {
				// A busy one may not leave in time. Then it is killed, as systemd does.
				_ = l.StopLibvirtd()
				return l.StartLibvirtd(ctx)
			}},
		}
		bothLive := []soakFault{
			{"the agent is reloaded", func(context.Context) error { return l.ReloadAgent() }},
			{"the journal is stopped", func(ctx context.Context) error {
				if err := l.StopJournal(); err != nil {
					return err
				}
				sleep(ctx, 4*time.Second)
				return l.ContinueJournal()
			}},
			{"the disk is full", func(ctx context.Context) error {
				if err := fillDisk(existing.Dir); err != nil {
					return err
				}
				sleep(ctx, 2*time.Second)
				return emptyDisk(existing.Dir)
			}},
		}
		// The agent lives on from the first part's end, so that what it has can be compared:
		// not at once, since one that has just started has had no client. And no connection is
		// cut in the last part, so that each call must get its answer.
		soak(ctx, t, tally, length*4/11, slices.Concat(agentEnds, libvirtdEnds, bothLive))
		soak(ctx, t, tally, length*1/11, slices.Concat(libvirtdEnds, bothLive))
		before := quiet(ctx, t, l.AgentPID, usage{})
		soak(ctx, t, tally, length*3/11, slices.Concat(libvirtdEnds, bothLive))
		soak(ctx, t, tally, length*3/11, bothLive)
		after := quiet(ctx, t, l.AgentPID, before)
		if ctx.Err() != nil {
			t.Log("soak: interrupted")
			return
		}
		t.Logf("soak: the agent once it has had clients: %v; at the end: %v", before, after)
		if left := strings.Fields(virsh(t, l, "list", "--all", "--name")); len(left) > 0 {
			t.Errorf("domains that are there at the end: %s", left)
		}
		if tally.calls < soakClients*6 {
			t.Error("the clients have not worked")
		}
		if !after.within(before) {
			t.Errorf("the agent has grown by more than %v", usage{soakMemory, soakHeap, soakDescriptors})
		}
	})
}

// soakFault is something that goes wrong, and is over when do returns.
type soakFault struct {
	what string
	do   func(context.Context) error
}

// soak has the clients work for a time, while one fault after another happens. It returns
// at once when ctx ends.
func soak(ctx context.Context, t *testing.T, tally *soakTally, length time.Duration, faults []soakFault) {
	part, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var clients sync.WaitGroup
	for i := range soakClients {
		c := &soakClient{soakTally: tally, number: i}
		clients.Go(func() { c.run(part, ctx) })
	}
	for i := 0; ; i++ {
		sleep(part, 2*time.Second)
		if part.Err() != nil {
			break
		}
		fault := faults[i%len(faults)]
		t.Logf("soak: %v; now %s", tally, fault.what)
		if err := fault.do(ctx); err != nil && ctx.Err() == nil { // to its end, whatever the time
			t.Fatalf("%s: %v", fault.what, err)
		}
	}
	clients.Wait()
	// Domains whose client's connection was cut are left.
	for i := range soakClients {
		if ctx.Err() == nil {
			(&soakClient{soakTally: tally, number: i}).clean(t)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// clean removes the client's domain, bypassing the agent.
func (c *soakClient) clean(t *testing.T) {
	t.Helper()
	if c.rpc = dialRaw(t); c.call("remove", c.remove) != nil {
		t.Errorf("%s cannot be removed", c.name())
	}
}

// usage is what the agent has.
type usage struct {
	memory      int // resident, in bytes
	heap        int // at which Go collects next, in bytes: twice what lived at the last collection
	descriptors int
}

func (u usage) within(before usage) bool {
	return u.memory <= before.memory+soakMemory && u.heap <= before.heap+soakHeap && u.descriptors <= before.descriptors+soakDescriptors
}

func (u usage) String() string {
	return fmt.Sprintf("memory %d KiB, heap %d KiB, descriptors %d", u.memory>>10, u.heap>>10, u.descriptors)
}

// quiet waits until the agent has given back what its clients took, half a minute at most,
// and returns what it has then. Without a usage from before it waits two seconds. It
// returns at once when ctx ends.
func quiet(ctx context.Context, t *testing.T, pid func() int, before usage) (u usage) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		sleep(ctx, 2*time.Second)
		if ctx.Err() != nil {
			return u
		}
		u = usageOf(t, pid())
		if before == (usage{}) || u.within(before) || time.Now().After(end) {
			return u
		}
	}
}

func usageOf(t *testing.T, pid int) usage {
	t.Helper()
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	files, err := os.ReadDir(filepath.Join(dir, "fd"))
	must(t, err)
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	must(t, err)
	metrics, err := agentMetrics()
	must(t, err)
	number := func(text, name string) (n float64) {
		_, rest, _ := strings.Cut(text, "\n"+name)
		_, err := fmt.Sscan(rest, &n)
		must(t, err)
		return n
	}
	return usage{
		memory:      int(number(string(status), "VmRSS:")) << 10,
		heap:        int(number(metrics, "go_memstats_next_gc_bytes ")),
		descriptors: len(files),
	}
}

// fillDisk leaves no room in a directory's file system.
func fillDisk(dir string) error {
	err := os.WriteFile(filepath.Join(dir, "full"), make([]byte, 1<<20), 0o644)
	if !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("filling %s: %w", dir, err)
	}
	return nil
}

func emptyDisk(dir string) error { return os.Remove(filepath.Join(dir, "full")) }
