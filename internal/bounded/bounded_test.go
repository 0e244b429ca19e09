package bounded

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestDo(t *testing.T) {
	want := errors.New("gone")
	r := New(time.Minute)
	head, err := r.Do(t.Context(), "a", func(context.Context) ([]byte, error) { return []byte("head"), nil })
	if err != nil || string(head) != "head" {
		t.Errorf("%q, %v", head, err)
	}
	if _, err := r.Do(t.Context(), "a", func(context.Context) ([]byte, error) { return nil, want }); err != want {
		t.Errorf("the second read says %v, want %v", err, want)
	}
}

// TestNeverAnswers: one read of a key is blocked, however many ask, and another key's
// is not.
func TestNeverAnswers(t *testing.T) {
	r := New(500 * time.Millisecond)
	never := make(chan struct{})
	defer close(never)
	var held atomic.Int32
	for range 3 {
		_, err := r.Do(t.Context(), "a", func(context.Context) ([]byte, error) { held.Add(1); <-never; return nil, nil })
		if err == nil || !strings.Contains(err.Error(), "no answer within 500ms; is its storage there?") {
			t.Errorf("error %v", err)
		}
	}
	if n := held.Load(); n != 1 {
		t.Errorf("%d reads are held", n)
	}
	head, err := r.Do(t.Context(), "b", func(context.Context) ([]byte, error) { return []byte("b"), nil })
	if err != nil || string(head) != "b" {
		t.Errorf("%q, %v", head, err)
	}
}

// TestDeadline: a read's context ends with the timeout.
func TestDeadline(t *testing.T) {
	told := make(chan struct{})
	_, err := New(50*time.Millisecond).Do(t.Context(), "a", func(ctx context.Context) ([]byte, error) {
		<-ctx.Done()
		close(told)
		return nil, ctx.Err()
	})
	if err == nil || !strings.Contains(err.Error(), "no answer within 50ms") {
		t.Errorf("error %v", err)
	}
	<-told
}

// TestLeft: a read goes on for those who wait still, and is cancelled when the last of
// them has left. Another then gets an answer of its own.
func TestLeft(t *testing.T) { synctest.Test(t, testLeft) }

func testLeft(t *testing.T) {
	r := New(time.Minute)
	first, leaveFirst := context.WithCancel(t.Context())
	second, leaveSecond := context.WithCancel(t.Context())
	started, cancelled, ended := make(chan struct{}), make(chan struct{}), make(chan error, 2)
	hangs := func(ctx context.Context) ([]byte, error) {
		close(started)
		<-ctx.Done()
		close(cancelled)
		time.Sleep(50 * time.Millisecond) // until it is killed
		return nil, ctx.Err()
	}
	for _, ctx := range []context.Context{first, second} {
		go func() {
			_, err := r.Do(ctx, "a", hangs)
			ended <- err
		}()
	}
	<-started
	synctest.Wait() // both wait for it
	leaveFirst()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the first gets %v", err)
	}
	select {
	case <-cancelled:
		t.Error("the read is cancelled while another waits for it")
	case <-time.After(50 * time.Millisecond):
	}
	leaveSecond()
	<-cancelled
	head, err := r.Do(t.Context(), "a", func(context.Context) ([]byte, error) { return []byte("a"), nil })
	if err != nil || string(head) != "a" {
		t.Errorf("the third gets %q, %v", head, err)
	}
}
