package reconcile

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// fakeLibvirt keeps documents as they are given to it, and notes its calls.
type fakeLibvirt struct {
	note func(format string, args ...any)

	mu        sync.Mutex
	domains   map[string]libvirt.State // by UUID
	refuses   string                   // why it defines nothing, "" while it does
	silent    string                   // the domain that it does not answer about
	failing   string                   // the domain that it answers an error about
	breaks    bool                     // the connection ends at the next definition
	meanwhile func()                   // what happens after the next read
	conn      *fakeConn                // the last one
}

// fakeConn is a connection to it.
type fakeConn struct {
	*fakeLibvirt
	events chan libvirt.Event
	end    func()
	closed chan struct{}
}

func (l *fakeLibvirt) connect(context.Context) (Connection, error) {
	l.note("connect")
	c := &fakeConn{fakeLibvirt: l, events: make(chan libvirt.Event, 100), closed: make(chan struct{})}
	c.end = sync.OnceFunc(func() { close(c.closed) })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = c
	return c, nil
}

// tell sends an event about a domain. The caller holds the lock.
func (l *fakeLibvirt) tell(uuid string) {
	if l.conn != nil {
		l.conn.events <- libvirt.Event{UUID: uuid}
	}
}

func (c *fakeConn) Version() string         { return "9.0.0" }
func (c *fakeConn) Closed() <-chan struct{} { return c.closed }
func (c *fakeConn) Close()                  { c.end() }

func (c *fakeConn) Events(ctx context.Context) (<-chan libvirt.Event, error) {
	events := make(chan libvirt.Event)
	go func() {
		defer close(events)
		for {
			select {
			case e := <-c.events:
				events <- e
			case <-ctx.Done():
				return
			}
		}
	}()
	return events, nil
}

func (c *fakeConn) Domains(context.Context) (all []libvirt.Domain, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.domains {
		all = append(all, s.Domain)
	}
	return all, nil
}

func (c *fakeConn) ReadListed(ctx context.Context, d libvirt.Domain) (libvirt.State, error) {
	return c.Read(ctx, d.UUID)
}

func (c *fakeConn) Read(_ context.Context, uuid string) (libvirt.State, error) {
	defer c.afterRead()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note("read %s", uuid)
	switch uuid {
	case c.silent:
		return libvirt.State{}, fmt.Errorf("reading: %w: %w", libvirt.ErrClosed, libvirt.ErrNoAnswer)
	case c.failing:
		return libvirt.State{}, golibvirt.Error{Code: uint32(golibvirt.ErrOperationTimeout), Message: "cannot acquire state change lock"}
	}
	s, ok := c.domains[uuid]
	if !ok {
		return s, golibvirt.Error{Code: uint32(golibvirt.ErrNoDomain), Message: "no such domain"}
	}
	return s, nil
}

func (c *fakeConn) afterRead() {
	c.mu.Lock()
	happens := c.meanwhile
	c.meanwhile = nil
	c.mu.Unlock()
	if happens != nil {
		happens()
	}
}

func (c *fakeConn) Define(_ context.Context, d libvirt.Domain, document []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note("define %s: %s", d.Name, describe(document))
	switch {
	case c.breaks:
		c.breaks = false
		c.end()
		return fmt.Errorf("redefining: %w", libvirt.ErrClosed)
	case c.refuses != "":
		return golibvirt.Error{Code: uint32(golibvirt.ErrInternalError), Message: c.refuses}
	}
	s := c.domains[d.UUID]
	s.Inactive, s.Persistent = document, true
	c.domains[d.UUID] = s
	c.tell(d.UUID)
	return nil
}

func (c *fakeConn) UpdateDevice(_ context.Context, d libvirt.Domain, device string) error {
	c.changeLive(d, regexp.MustCompile("<interface.*</interface>"), device)
	c.note("update the interface of %s", d.Name)
	return nil
}

func (c *fakeConn) SetMetadata(_ context.Context, d libvirt.Domain, namespace, key, element string) error {
	element = strings.NewReplacer("</", "</"+key+":", "<", "<"+key+":").Replace(element)
	element = strings.Replace(element, " ", fmt.Sprintf(" xmlns:%s=%q ", key, namespace), 1)
	c.changeLive(d, regexp.MustCompile("(<metadata>.*</metadata>)?<os>"), "<metadata>"+element+"</metadata><os>")
	c.note("set the metadata of %s", d.Name)
	return nil
}

func (c *fakeConn) changeLive(d libvirt.Domain, old *regexp.Regexp, by string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.domains[d.UUID]
	s.Live = old.ReplaceAllLiteral(s.Live, []byte(by))
	c.domains[d.UUID] = s
}

func (c *fakeConn) BootLast(context.Context, libvirt.Domain, string) error {
	return errors.New("no test calls it")
}

// describe is what the tests want to know of a document.
func describe(document []byte) string {
	doc, err := domainxml.Parse(document)
	if err != nil {
		return err.Error()
	}
	facts := doc.Facts()
	words := slices.Concat([]string{"boots from " + string(facts.BootsFrom)}, facts.Filters)
	if facts.Reverted {
		words = append(words, "reverted")
	}
	return strings.Join(words, ", ")
}
