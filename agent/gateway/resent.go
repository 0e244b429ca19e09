package gateway

import (
	"sync"
	"time"
)

// resentFor is how long after it was sent again libvirt may run the hook for a domain.
const resentFor = time.Minute

// resent are the domains of the calls that were sent again as their clients wrote
// them. Its zero value has none.
type resent struct {
	mu    sync.Mutex
	until map[string]time.Time // by name
}

func (r *resent) add(domain string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until == nil {
		r.until = map[string]time.Time{}
	}
	for d, until := range r.until {
		if now.After(until) {
			delete(r.until, d)
		}
	}
	r.until[domain] = now.Add(resentFor)
}

func (r *resent) has(domain string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, found := r.until[domain]
	return found && !now.After(until)
}

// Resent reports whether a domain of that name went to libvirt as its client wrote
// it, within the last minute, because libvirt refused it as rewritten: if the hook
// finds it unprepared, it has not come past the gateway.
func (s *Server) Resent(domain string) bool { return s.resent.has(domain, time.Now()) }
