// Package bounded limits the time of reads that may never end: where the server of a
// network file system is gone, reading one of its files blocks without end.
//
//	reads := bounded.New(time.Second)
//	head, err := reads.Do(ctx, path, func(ctx context.Context) ([]byte, error) { return readHead(ctx, path) })
package bounded

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Reads limits reads. It is safe for concurrent use. New makes it.
type Reads struct {
	timeout time.Duration

	mu    sync.Mutex
	byKey map[string]*read // those under way
}

// read is one that is under way.
type read struct {
	waiting int // how many wait for its answer
	cancel  context.CancelFunc
	done    chan struct{} // closed when head and err are there
	head    []byte
	err     error
}

// New returns reads that end after the timeout.
func New(timeout time.Duration) *Reads {
	return &Reads{timeout: timeout, byKey: map[string]*read{}}
}

// Do returns what read returns. Where read takes too long, or ctx is done, Do returns an
// error and leaves it behind. While a read of a key is under way, others of the same key
// wait for its answer, so that at most one is blocked. Its context is done when none of
// them waits any more. The caller must not change the answer.
func (r *Reads) Do(ctx context.Context, key string, read func(context.Context) ([]byte, error)) ([]byte, error) {
	within, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	head, err := r.once(within, key, read)
	for errors.Is(err, context.Canceled) && within.Err() == nil { // the others had left it
		head, err = r.once(within, key, read)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v; is its storage there?", r.timeout)
	}
	return head, err
}

// once waits for one read.
func (r *Reads) once(ctx context.Context, key string, do func(context.Context) ([]byte, error)) ([]byte, error) {
	u := r.join(key, do)
	defer r.leave(u)
	select {
	case <-u.done:
		return u.head, u.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// join returns the read of a key, which it starts if none is under way.
func (r *Reads) join(key string, do func(context.Context) ([]byte, error)) *read {
	r.mu.Lock()
	defer r.mu.Unlock()
	u, underWay := r.byKey[key]
	if !underWay {
		ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
		u = &read{cancel: cancel, done: make(chan struct{})}
		r.byKey[key] = u
		go func() {
			u.head, u.err = do(ctx)
			r.mu.Lock()
			delete(r.byKey, key)
			r.mu.Unlock()
			close(u.done)
		}()
	}
	u.waiting++
	return u
}

func (r *Reads) leave(u *read) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if u.waiting--; u.waiting == 0 {
		u.cancel()
	}
}
