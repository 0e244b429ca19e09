package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

const (
	// soakAnswer is how long an answer may take on a busy machine. libvirt itself waits
	// 30 seconds for another operation on the same domain.
	soakAnswer = 3 * time.Minute
	// soakInSync is how long a domain may take to be in sync after an answer.
	soakInSync = 30 * time.Second
)

// soakTally is what came of the clients' calls.
type soakTally struct {
	t  *testing.T
	mu sync.Mutex

	calls   int // sent
	refused int // answered by an error of libvirt's
	cut     int // ended with their connection: carried out or not
	lost    int // without an answer, or answered and not carried out
	passed  int // defined as the client wrote it: libvirt was too slow for the gateway
	half    int // left a definition that is neither the client's nor the rules'

	longest time.Duration // until an answer
}

func (s *soakTally) count(n *int, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n++
	if format != "" && *n <= 10 {
		s.t.Logf(format, args...)
	}
}

func (s *soakTally) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("calls %d, refused %d, cut %d, passed %d, lost %d, half-rewritten %d, longest %v",
		s.calls, s.refused, s.cut, s.passed, s.lost, s.half, s.longest.Round(10*time.Millisecond))
}

// answered notes how long a call has taken.
func (s *soakTally) answered(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.longest = max(s.longest, took)
}

// soakClient defines, starts, attaches to, destroys and undefines one domain through the
// gateway, again and again.
type soakClient struct {
	*soakTally
	number int
	rpc    *golibvirt.Libvirt
}

func (c *soakClient) name() string { return fmt.Sprintf("soak-%02d", c.number) }

func (c *soakClient) document() string {
	return fmt.Sprintf(`<domain type="qemu">
  <name>%s</name>
  <uuid>7e1b2a3c-0000-4000-8000-%012d</uuid>
  <memory unit="MiB">16</memory>
  <os>
    <type arch="x86_64" machine="pc">hvm</type>
    <boot dev="hd"/>
  </os>
  <devices>
    <interface type="user"><mac address="52:54:00:00:00:%02x"/><model type="virtio"/></interface>
    <memballoon model="none"/>
  </devices>
</domain>
`, c.name(), c.number, c.number)
}

// device goes into the definition only: libvirt works for seconds on the filter of an
// interface that it plugs in.
func (c *soakClient) device() string {
	return fmt.Sprintf(`<interface type="bridge"><mac address="52:54:00:00:01:%02x"/><source bridge="br0"/><model type="virtio"/><filterref filter="clean-traffic"/></interface>`, c.number)
}

var errCut = errors.New("the connection has ended")

// call makes a call. It returns errCut where the connection ended, or libvirt's error.
func (c *soakClient) call(what string, fn func() error) error {
	c.count(&c.calls, "")
	done, began := make(chan error, 1), time.Now()
	go func() { done <- fn() }()
	select {
	case err := <-done:
		var answer golibvirt.Error
		switch {
		case err == nil:
			c.answered(time.Since(began))
			return nil
		case errors.As(err, &answer):
			c.count(&c.refused, "%s: %s: %v", c.name(), what, err)
			return err
		}
		c.count(&c.cut, "")
		return errCut
	case <-time.After(soakAnswer):
		c.count(&c.lost, "%s: %s: no answer within %v", c.name(), what, soakAnswer)
		return errCut
	}
}

// run works until ctx ends, and removes its domain then. When interrupted ends it hangs up.
func (c *soakClient) run(ctx, interrupted context.Context) {
	for ctx.Err() == nil {
		sleep(ctx, 100*time.Millisecond) // the agent or libvirtd may be away
		socket, err := net.Dial("unix", lab.GatewaySocket)
		if err != nil {
			continue
		}
		stay := context.AfterFunc(interrupted, func() { socket.Close() })
		c.rpc = golibvirt.NewWithDialer(dialed{socket})
		if c.call("open", func() error { return c.rpc.ConnectToURI(golibvirt.QEMUSystem) }) == nil {
			for ctx.Err() == nil && c.cycle() == nil {
			}
		}
		stay()
		socket.Close()
	}
}

// cycle is a domain's life. The error is errCut.
func (c *soakClient) cycle() error {
	var domain golibvirt.Domain
	for _, step := range []struct {
		what  string
		do    func() error
		check func() error
	}{
		{"undefine what a cut left", c.remove, nil},
		{"define", func() (err error) { domain, err = c.rpc.DomainDefineXMLFlags(c.document(), 0); return err },
			func() error { return c.rewritten(domain, 1, 0) }},
		{"start", func() error {
			_, err := c.rpc.DomainCreateWithFlags(domain, uint32(golibvirt.DomainStartPaused))
			return err
		}, func() error { return c.active(domain, 1) }},
		{"attach", func() error {
			return c.rpc.DomainAttachDeviceFlags(domain, c.device(), uint32(golibvirt.DomainDeviceModifyConfig))
		}, func() error { return c.rewritten(domain, 2, soakInSync) }},
		{"destroy", func() error { return c.rpc.DomainDestroy(domain) }, func() error { return c.active(domain, 0) }},
		{"undefine", func() error { return c.rpc.DomainUndefine(domain) }, c.gone},
	} {
		err := c.call(step.what, step.do)
		if err == nil && step.check != nil {
			err = step.check()
		}
		if errors.Is(err, errCut) {
			return err
		}
		if err != nil {
			return nil // libvirt has refused it: from the beginning
		}
	}
	return nil
}

// remove removes the domain where it is there.
func (c *soakClient) remove() error {
	domain, err := c.rpc.DomainLookupByName(c.name())
	if golibvirt.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if active, err := c.rpc.DomainIsActive(domain); err == nil && active == 1 {
		if err := c.rpc.DomainDestroy(domain); err != nil {
			return err
		}
	}
	if err := c.rpc.DomainUndefine(domain); !golibvirt.IsNotFound(err) {
		return err
	}
	return nil
}

// rewritten checks that the definition is as the rules want it, within a time.
func (c *soakClient) rewritten(domain golibvirt.Domain, interfaces int, within time.Duration) error {
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		var document string
		if err := c.call("read", func() (err error) {
			document, err = c.rpc.DomainGetXMLDesc(domain, golibvirt.DomainXMLInactive)
			return err
		}); err != nil {
			return c.lostUnlessCut("define", err)
		}
		if n := strings.Count(document, "<interface "); n != interfaces {
			c.count(&c.lost, "%s: %d interfaces, want %d", c.name(), n, interfaces)
			return nil
		}
		res, err := defaultRewriter().Domain([]byte(document), domainxml.Inactive)
		if err == nil && !res.Changed() {
			return nil
		}
		if d, err := domainxml.Parse([]byte(document)); err == nil && !d.HasRecord() {
			c.count(&c.passed, "")
			return nil
		}
		if time.Since(began) >= within {
			c.count(&c.half, "%s: %v, %v in\n%s", c.name(), err, res.Changes, document)
			return nil
		}
	}
}

// active checks whether the guest runs.
func (c *soakClient) active(domain golibvirt.Domain, want int32) error {
	var active int32
	err := c.call("ask", func() (err error) { active, err = c.rpc.DomainIsActive(domain); return err })
	if err == nil && active != want {
		c.count(&c.lost, "%s: active %d, want %d", c.name(), active, want)
	}
	return c.lostUnlessCut("start or destroy", err)
}

// gone checks that there is no such domain.
func (c *soakClient) gone() error {
	found := false
	err := c.call("look", func() error {
		_, err := c.rpc.DomainLookupByName(c.name())
		found = err == nil
		if golibvirt.IsNotFound(err) {
			return nil
		}
		return err
	})
	if found {
		c.count(&c.lost, "%s: there after undefine", c.name())
	}
	return err
}

// lostUnlessCut counts a domain that is not there after an answer.
func (c *soakClient) lostUnlessCut(what string, err error) error {
	if golibvirt.IsNotFound(err) {
		c.count(&c.lost, "%s: not there after %s", c.name(), what)
	}
	return err
}
