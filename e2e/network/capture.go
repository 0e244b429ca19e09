package network

import (
	"strings"
	"sync"
	"time"

	"github.com/virt-netboot/virt-netboot/internal/capture"
	"github.com/virt-netboot/virt-netboot/internal/timeline"
)

// Capture keeps what passes a device of the boots of all instances: DHCP, TFTP and HTTP.
type Capture struct {
	listener *capture.Listener
	ended    chan struct{}
	mutex    sync.Mutex // of events
	events   []timeline.Event
}

// Listen begins to capture.
func Listen(device string) (*Capture, error) {
	listener, err := capture.Listen(device)
	if err != nil {
		return nil, err
	}
	c := &Capture{listener: listener, ended: make(chan struct{})}
	go c.read()
	return c, nil
}

func (c *Capture) read() {
	defer close(c.ended)
	for seen := timeline.New(time.Now()); ; {
		frame, err := c.listener.Read()
		if err != nil {
			return // closed
		}
		e, _ := seen.Add(frame)
		if e == nil {
			continue
		}
		switch protocol, _, _ := strings.Cut(string(e.Kind), "-"); protocol {
		case "dhcp", "tftp", "http":
			c.mutex.Lock()
			c.events = append(c.events, *e)
			c.mutex.Unlock()
		}
	}
}

// Events are what has passed so far; none where no capture has begun.
func (c *Capture) Events() []timeline.Event {
	if c == nil {
		return nil
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return append([]timeline.Event(nil), c.events...)
}

// Close ends the capture.
func (c *Capture) Close() error {
	err := c.listener.Close()
	<-c.ended
	return err
}
