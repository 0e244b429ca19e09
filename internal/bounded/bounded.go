// Package bounded limits the time of reads that may never end: where the server of a
// network file system is gone, reading one of its files blocks without end.
//
//	reads := bounded.New(time.Second)
//	head, err := reads.Do(path, func(ctx context.Context) ([]byte, error) { return readHead(ctx, path) })
package bounded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"
)

// Reads limits reads. It is safe for concurrent use. New makes it.
type Reads struct {
	timeout time.Duration
	group   singleflight.Group
}

// New returns reads that end after the timeout.
func New(timeout time.Duration) *Reads { return &Reads{timeout: timeout} }

// Do returns what read returns. Where read takes too long, Do returns an error and
// leaves it behind. While a read of a key is under way, others of the same key wait for
// its answer, so that at most one is blocked. The caller must not change the answer.
func (r *Reads) Do(key string, read func(context.Context) ([]byte, error)) ([]byte, error) {
	timer := time.NewTimer(r.timeout)
	defer timer.Stop()
	var head []byte
	var err error = context.DeadlineExceeded
	select {
	case done := <-r.group.DoChan(key, func() (any, error) { return r.within(read) }):
		head, err = done.Val.([]byte), done.Err
	case <-timer.C:
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v; is its storage there?", r.timeout)
	}
	return head, err
}

func (r *Reads) within(read func(context.Context) ([]byte, error)) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
	defer cancel()
	return read(ctx)
}
