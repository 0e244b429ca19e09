package gateway

import "sync"

// How many bytes of its clients' calls the gateway holds at once, so that no user can
// have it take the node's memory: of all clients together, and of those of one user. A
// call that does not fit goes on unread, and the rules reach its domain once libvirt
// has it.
const (
	maxHeld    = 256 << 20
	maxHeldUID = 64 << 20
)

// budget counts the bytes that are held. Its zero value holds none.
type budget struct {
	mu    sync.Mutex
	all   int
	byUID map[uint32]int
}

// take adds n bytes of a user's if they fit.
func (b *budget) take(uid uint32, n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all+n > maxHeld || b.byUID[uid]+n > maxHeldUID {
		return false
	}
	b.add(uid, n)
	return true
}

// give takes n bytes of a user's off.
func (b *budget) give(uid uint32, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(uid, -n)
}

func (b *budget) add(uid uint32, n int) {
	if b.byUID == nil {
		b.byUID = map[uint32]int{}
	}
	b.all += n
	if b.byUID[uid] += n; b.byUID[uid] == 0 {
		delete(b.byUID, uid)
	}
}
