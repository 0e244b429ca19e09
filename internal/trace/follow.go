package trace

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/virt-netboot/virt-netboot/internal/capture"
	"github.com/virt-netboot/virt-netboot/internal/timeline"
)

// read is a frame, or why a listener has none.
type read struct {
	frame capture.Frame
	err   error
}

// frames merges what listeners receive, until they are closed. The channel is closed
// once each device has gone.
func frames(ctx context.Context, listeners []*capture.Listener) <-chan read {
	merged := make(chan read)
	ended := make(chan struct{})
	for _, l := range listeners {
		go func() {
			defer func() { ended <- struct{}{} }()
			for {
				f, err := l.Read()
				if errors.Is(err, io.EOF) {
					return
				}
				select {
				case merged <- read{f, err}:
				case <-ctx.Done():
					return
				}
				if err != nil {
					return
				}
			}
		}()
	}
	go func() {
		for range listeners {
			<-ended
		}
		close(merged)
	}()
	return merged
}

// run is a trace under way.
type run struct {
	Options
	timeline *timeline.Timeline
	file     *capture.File // nil where none is kept
}

// follow tells the events until the trace ends, and says why it does.
func (r run) follow(ctx context.Context, frames <-chan read) (timeline.End, error) {
	timeout := time.After(r.Timeout)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case f, ok := <-frames:
			if !ok {
				return timeline.Stopped, nil
			}
			if err := errors.Join(f.err, r.add(f.frame)); err != nil {
				return timeline.Interrupted, err
			}
		case now := <-tick.C:
			if r.timeline.Over(now) {
				return timeline.Quiet, nil
			}
		case <-timeout:
			return timeline.Timeout, nil
		case <-ctx.Done():
			return timeline.Interrupted, nil
		}
	}
}

func (r run) add(f capture.Frame) error {
	event, own := r.timeline.Add(f)
	if own && r.file != nil {
		if err := r.file.Write(f); err != nil {
			return err
		}
	}
	if event == nil {
		return nil
	}
	return r.Event(*event)
}
