package e2e

import (
	"encoding/binary"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestFlood: a thousand connections that never say who they are, half of them with the
// start of a call of 4 MB, cost the agent little memory and the clients that it has
// nothing, and leave nothing behind. New clients wait while libvirtd lets in no more of
// them, as they do without the agent.
func TestFlood(t *testing.T) {
	const (
		connections = 1000
		memory      = 256 << 20 // of all of them, in a program with the race detector
	)
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		startAgent(t, l)
		old := dialGateway(t)
		defer old.Close()
		before := usageOf(t, l.AgentPID())

		var flood []net.Conn
		leave := func() {
			for _, c := range flood {
				c.Close()
			}
		}
		defer leave()
		for i := range connections {
			c, err := net.Dial("unix", lab.GatewaySocket)
			must(t, err)
			flood = append(flood, c)
			if i%2 == 0 {
				startOfCall(t, c)
			}
		}
		served(t, "that was there before", old)
		within := usageOf(t, l.AgentPID())
		t.Logf("%d connections: memory %d KiB, then %d KiB; descriptors %d, then %d",
			connections, before.memory>>10, within.memory>>10, before.descriptors, within.descriptors)
		if within.memory > before.memory+memory || within.descriptors > before.descriptors+2*connections+10 {
			t.Errorf("the agent has grown too much: %+v, then %+v", before, within)
		}

		leave()
		for end := time.Now().Add(10 * time.Second); usageOf(t, l.AgentPID()).descriptors > before.descriptors+10; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("ten seconds after the flood the agent has %+v, had %+v", usageOf(t, l.AgentPID()), before)
			}
		}
		after := dialGateway(t)
		defer after.Close()
		served(t, "that has come after the flood", after)
	})
}

// startOfCall sends the head of a call that defines a domain, and 64 KiB of its 4 MB, or
// as much as is taken within a moment.
func startOfCall(t *testing.T, c net.Conn) {
	t.Helper()
	var b []byte
	for _, word := range []uint32{4 << 20, 0x20008086, 1, 11, 0, 1, 0} { // remote, DOMAIN_DEFINE_XML, call
		b = binary.BigEndian.AppendUint32(b, word)
	}
	must(t, c.SetWriteDeadline(time.Now().Add(100*time.Millisecond)))
	_, err := c.Write(append(b, make([]byte, 64<<10)...))
	var timeout net.Error
	if err != nil && !(errors.As(err, &timeout) && timeout.Timeout()) && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
}

func dialGateway(t *testing.T) *gatewayClient {
	t.Helper()
	socket, err := net.Dial("unix", lab.GatewaySocket)
	must(t, err)
	must(t, socket.SetDeadline(time.Now().Add(time.Minute)))
	c := &gatewayClient{golibvirt.NewWithDialer(dialed{socket}), socket}
	must(t, c.ConnectToURI(golibvirt.QEMUSystem))
	return c
}

type gatewayClient struct {
	*golibvirt.Libvirt
	socket net.Conn
}

func (c *gatewayClient) Close() { c.socket.Close() }

// served fails the test unless a client's calls are answered within seconds.
func served(t *testing.T, who string, c *gatewayClient) {
	t.Helper()
	began := time.Now()
	for range 100 {
		if _, err := c.ConnectGetLibVersion(); err != nil {
			t.Fatalf("a client %s: %v", who, err)
		}
	}
	t.Logf("a client %s: 100 calls in %v", who, time.Since(began).Round(time.Millisecond))
}
