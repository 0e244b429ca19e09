// Package bounded reads what may never answer: a server of a network file system
// that is gone holds whoever asks for one of its files, whatever deadline there is.
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

// Reads are safe for concurrent use. New makes them.
type Reads struct {
	timeout time.Duration
	group   singleflight.Group
}

// New returns reads that are given up after a time.
func New(timeout time.Duration) *Reads { return &Reads{timeout: timeout} }

// Do returns what read returns, and leaves it behind where it takes too long. While
// one of a key is under way, who asks for the same waits for its answer, so that no
// more than one is held. What comes must not be changed.
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
