package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/e2e/network"
)

// The addresses of the DHCP tests. The tenant's are those of packaging/dhcp.
const (
	novaBridge   = "br2006"
	novaServer   = "10.1.0.1"
	novaSubnet   = "10.1.0.0"
	tenantServer = network.TenantServer
)

// run runs a command in the lab.
func run(t *testing.T, l *lab.Lab, name string, args ...string) string {
	t.Helper()
	out, err := l.Command(t.Context(), name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// ip runs the words of a command of iproute2's.
func ip(t *testing.T, l *lab.Lab, format string, args ...any) {
	t.Helper()
	run(t, l, "ip", strings.Fields(fmt.Sprintf(format, args...))...)
}

// addNovaBridge adds a tenant's bridge as nova-network makes it, with the address
// of its DHCP server.
func addNovaBridge(t *testing.T, l *lab.Lab) {
	t.Helper()
	if err := l.AddBridge(t.Context(), novaBridge); err != nil {
		t.Fatal(err)
	}
	ip(t, l, "addr add %s/24 dev %s", novaServer, novaBridge)
}

// addMachine adds a network namespace with an interface in a bridge, which stands
// in for an instance.
func addMachine(t *testing.T, l *lab.Lab, name, bridge, device, address string) {
	t.Helper()
	m := network.Machine{Name: name, Bridge: bridge, Device: device, Address: address}
	must(t, m.Add(t.Context(), l))
	t.Cleanup(func() {
		if err := m.Remove(context.Background(), l); err != nil { // the test's own context has ended
			t.Error(err)
		}
	})
}

// startServer runs a server until the test ends, in a network namespace unless that
// is empty.
func startServer(t *testing.T, namespace, ready string, command ...string) {
	t.Helper()
	s, err := network.Start(t.Context(), namespace, ready, command...)
	must(t, err)
	stopAfter(t, s)
}

// stopAfter stops a server when the test ends, and shows its log if that has failed.
func stopAfter(t *testing.T, s *network.Server) {
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("--- %s\n%s", strings.Join(s.Command, " "), s.Log())
		}
	})
}

// shipped is a file of packaging/dhcp.
func shipped(t *testing.T, name string) string {
	t.Helper()
	text, err := network.Shipped(name)
	must(t, err)
	return text
}
