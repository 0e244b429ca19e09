package libvirt

import (
	"context"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// Event says that something happened to a domain: a lifecycle event, or a device
// that was added.
type Event struct{ UUID string }

// Events asks libvirt for its events and passes them on until the context or the
// connection ends, which closes the channel. The caller must read until then.
func (c *Conn) Events(ctx context.Context) (<-chan Event, error) {
	var lifecycle <-chan golibvirt.DomainEventLifecycleMsg
	var added <-chan any
	// When its context ends, go-libvirt calls libvirt once more, to deregister, while
	// the connection is being closed. grace says why that must not happen.
	lasting := context.WithoutCancel(ctx)
	err := c.call(ctx, "asking for events", func() (err error) {
		if lifecycle, err = c.rpc.LifecycleEvents(lasting); err != nil {
			return err
		}
		added, err = c.rpc.SubscribeEvents(lasting, golibvirt.DomainEventIDDeviceAdded, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	events := make(chan Event)
	go func() {
		defer close(events)
		pass(ctx, events, lifecycle, added)
		go drain(lifecycle)
		go drain(added)
	}()
	return events, nil
}

// pass passes events on until the context ends or both channels are closed.
func pass(ctx context.Context, events chan<- Event, lifecycle <-chan golibvirt.DomainEventLifecycleMsg, added <-chan any) {
	for lifecycle != nil || added != nil {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-lifecycle:
			if !ok {
				lifecycle = nil
				continue
			}
			events <- Event{formatUUID(e.Dom.UUID)}
		case e, ok := <-added:
			if !ok {
				added = nil
				continue
			}
			if e, ok := e.(*golibvirt.DomainEventCallbackDeviceAddedMsg); ok {
				events <- Event{formatUUID(e.Dom.UUID)}
			}
		}
	}
}

// drain discards events until the connection ends.
func drain[T any](events <-chan T) {
	for range events {
	}
}
