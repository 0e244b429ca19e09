package reconcile

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// TestQueue: a script of a step each: +a adds a routine, +a! an urgent domain, a
// takes one and expects it, -a says it is done, . expects that there is none.
func TestQueue(t *testing.T) {
	for name, script := range map[string]string{
		"in order":                        "+a +b a b -a -b .",
		"each once":                       "+a +a +a a -a .",
		"urgent first":                    "+a +b +c! c a b -a -b -c .",
		"urgent though it waits":          "+a +b +b! b a -a -b .",
		"each urgent one once":            "+a! +a! +a a -a .",
		"again while it is worked on":     "+a a +a +a! . -a a -a .",
		"never twice at once":             "+a +a! a . -a .",
		"a stale position does not count": "+a +b +b! b -b +b a b -a -b .",
		"nothing comes twice at done":     "+a a -a +a a -a .",
		"others while one is worked on":   "+a a +b! b +a -b a? -a a -a .",
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue()
			for i, step := range strings.Fields(script) {
				uuid := strings.Trim(step, "+-!?.")
				switch {
				case step[0] == '+':
					q.add(uuid, strings.HasSuffix(step, "!"))
				case step[0] == '-':
					q.done(uuid)
				case step == "." || strings.HasSuffix(step, "?"):
					if got, _, ok := q.pop(); ok {
						t.Fatalf("step %d, %s: got %s", i, step, got)
					}
				default:
					if got, _, ok := q.pop(); got != uuid {
						t.Fatalf("step %d: got %q, %t, want %s", i, got, ok, uuid)
					}
				}
			}
		})
	}
}

// TestQueueInspect: who waits for a domain waits for an inspection that began afterwards.
func TestQueueInspect(t *testing.T) {
	isDone := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	q := newQueue()
	q.add("a", false)
	waiting := q.inspect("a")
	q.pop()
	working, other := q.inspect("a"), q.inspect("b")
	if isDone(waiting) || isDone(working) {
		t.Error("done before any inspection")
	}
	q.done("a")
	if !isDone(waiting) || isDone(working) {
		t.Errorf("after the first inspection done is %t, want true; what was asked for during it %t, want false", isDone(waiting), isDone(working))
	}
	for range 2 {
		uuid, _, _ := q.pop()
		q.done(uuid)
	}
	if !isDone(working) || !isDone(other) {
		t.Error("not done after the second inspection")
	}
	if len(q.state) > 0 {
		t.Errorf("the queue keeps %v", q.state)
	}
}

// TestQueueWorkers: every domain is taken after it was last added, and by one worker
// at a time.
func TestQueueWorkers(t *testing.T) {
	const domains, rounds = 50, 200
	q := newQueue()
	var mu sync.Mutex
	busy, added, seen := map[string]bool{}, map[string]int{}, map[string]int{}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var workers, adders sync.WaitGroup
	finished := make(chan struct{})
	for range 4 {
		workers.Go(func() {
			for {
				uuid, _, ok := q.take(ctx)
				if !ok {
					return
				}
				mu.Lock()
				if busy[uuid] {
					t.Errorf("%s at two workers at once", uuid)
				}
				busy[uuid], seen[uuid] = true, added[uuid]
				mu.Unlock()
				mu.Lock()
				busy[uuid] = false
				mu.Unlock()
				q.done(uuid)
				mu.Lock()
				all := len(added) == domains
				for uuid, n := range added {
					all = all && n == rounds && seen[uuid] == n
				}
				mu.Unlock()
				if all {
					select {
					case finished <- struct{}{}:
					case <-ctx.Done():
					}
				}
			}
		})
	}
	for d := range domains {
		adders.Go(func() {
			for i := range rounds {
				mu.Lock()
				added[strconv.Itoa(d)]++
				mu.Unlock()
				q.add(strconv.Itoa(d), i%2 == 0)
			}
		})
	}
	adders.Wait()
	<-finished
	stop()
	workers.Wait()
}
