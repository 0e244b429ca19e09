package gateway

import (
	"maps"
	"sync"
	"time"
)

// originalFor is how long after the original was sent libvirt may run the hook for its
// domain.
const originalFor = time.Minute

// originals are the domains of the calls that were sent as their clients wrote them
// after libvirt had refused them as rewritten. Its zero value has none.
type originals struct {
	mu    sync.Mutex
	until map[string]time.Time // by name
}

func (o *originals) add(domain string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.until == nil {
		o.until = map[string]time.Time{}
	}
	maps.DeleteFunc(o.until, func(_ string, until time.Time) bool { return now.After(until) })
	o.until[domain] = now.Add(originalFor)
}

func (o *originals) has(domain string, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	until, found := o.until[domain]
	return found && !now.After(until)
}

// OriginalSent reports whether a domain of that name went to libvirt as its client wrote
// it, within the last minute, because libvirt refused it as rewritten: if the hook
// finds it unprepared, it has not bypassed the gateway.
func (s *Server) OriginalSent(domain string) bool { return s.originals.has(domain, time.Now()) }
