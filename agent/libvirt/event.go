package libvirt

import (
	"context"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// Event says that something happened to a domain: a lifecycle event, or a device
// that was added.
type Event struct {
	UUID string
	// Type and Detail are the numbers of virDomainEventType and what belongs to
	// it. A device that was added is -1.
	Type, Detail int32
}

// The types of events that virt-netboot tells apart.
const (
	EventDefined     = int32(golibvirt.DomainEventDefined)
	EventUndefined   = int32(golibvirt.DomainEventUndefined)
	EventDeviceAdded = int32(-1)
)

// Events asks libvirt for its events and passes them on, until the context or the
// connection ends: then the channel is closed. It must be read up to there.
func (c *Conn) Events(ctx context.Context) (<-chan Event, error) {
	var lifecycle <-chan golibvirt.DomainEventLifecycleMsg
	var added <-chan any
	err := c.call(ctx, "asking for events", func() (err error) {
		if lifecycle, err = c.rpc.LifecycleEvents(ctx); err != nil {
			return err
		}
		added, err = c.rpc.SubscribeEvents(ctx, golibvirt.DomainEventIDDeviceAdded, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	events := make(chan Event)
	go func() {
		defer close(events)
		for lifecycle != nil || added != nil {
			select {
			case e, ok := <-lifecycle:
				if !ok {
					lifecycle = nil
					continue
				}
				events <- Event{formatUUID(e.Dom.UUID), e.Event, e.Detail}
			case e, ok := <-added:
				if !ok {
					added = nil
					continue
				}
				if e, ok := e.(*golibvirt.DomainEventCallbackDeviceAddedMsg); ok {
					events <- Event{formatUUID(e.Dom.UUID), EventDeviceAdded, 0}
				}
			}
		}
	}()
	return events, nil
}
