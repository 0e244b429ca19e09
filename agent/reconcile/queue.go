package reconcile

import (
	"context"
	"sync"
)

// queue holds the domains to inspect, each once however often it was added. One that
// is added while a worker has it comes again afterwards, never to two workers at once.
// Urgent ones come first.
type queue struct {
	mu      sync.Mutex
	ready   chan struct{} // holds one token when there may be something to take
	urgent  []string
	routine []string
	state   map[string]queued
}

type queued struct {
	waiting, urgent, working, again bool
	now, next                       chan struct{} // closed after the work under way, and after that to come
}

func newQueue() *queue {
	return &queue{ready: make(chan struct{}, 1), state: make(map[string]queued)}
}

func (q *queue) add(uuid string, urgent bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.put(uuid, urgent)
}

// inspect adds an urgent domain. The channel is closed once it has been inspected.
func (q *queue) inspect(uuid string) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.put(uuid, true)
	p := q.state[uuid]
	if p.next == nil {
		p.next = make(chan struct{})
		q.state[uuid] = p
	}
	return p.next
}

func (q *queue) put(uuid string, urgent bool) {
	p := q.state[uuid]
	switch {
	case p.working:
		p.again = true
	case p.urgent, p.waiting && !urgent:
		return
	case urgent:
		// Where it waits among the routine ones too, pop skips it there.
		p.waiting, p.urgent = true, true
		q.urgent = append(q.urgent, uuid)
	default:
		p.waiting = true
		q.routine = append(q.routine, uuid)
	}
	q.state[uuid] = p
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take waits for a domain. It returns false when the context ends.
func (q *queue) take(ctx context.Context) (uuid string, urgent, ok bool) {
	for {
		if uuid, urgent, ok = q.pop(); ok {
			return uuid, urgent, true
		}
		select {
		case <-q.ready:
		case <-ctx.Done():
			return "", false, false
		}
	}
}

func (q *queue) pop() (uuid string, urgent, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, list := range []*[]string{&q.urgent, &q.routine} {
		for len(*list) > 0 {
			uuid := (*list)[0]
			*list = (*list)[1:]
			p := q.state[uuid]
			if !p.waiting {
				continue
			}
			q.state[uuid] = queued{working: true, now: p.next}
			if len(q.urgent)+len(q.routine) > 0 {
				q.signal() // for the next worker
			}
			return uuid, p.urgent, true
		}
	}
	return "", false, false
}

// done says that a worker has inspected the domain.
func (q *queue) done(uuid string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.state[uuid]
	delete(q.state, uuid)
	if p.now != nil {
		close(p.now)
	}
	if p.again {
		q.state[uuid] = queued{waiting: true, urgent: true, next: p.next}
		q.urgent = append(q.urgent, uuid)
		q.signal()
	}
}
