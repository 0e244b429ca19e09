package e2e

import (
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/e2e/network"
)

// dhcpClients are those that a server is to tell apart, where OpenStack's server has
// the address given.
func dhcpClients(t *testing.T, openStack string) []network.Client {
	t.Helper()
	all, err := network.Clients(openStack)
	must(t, err)
	return all
}

// clientDevice is where the clients are in the bridge.
const clientDevice = "clients"

func addClients(t *testing.T, l *lab.Lab) {
	t.Helper()
	ip(t, l, "link add %s type veth peer name %s-port", clientDevice, clientDevice)
	ip(t, l, "link set %s-port master %s up", clientDevice, novaBridge)
	ip(t, l, "addr add %s/24 dev %s", network.InformAddress, clientDevice)
	ip(t, l, "link set %s up", clientDevice)
}

// askAll sends what every client sends, and returns who was answered how.
func askAll(t *testing.T, all []network.Client, wait time.Duration) map[string]string {
	t.Helper()
	answers, err := network.Ask(clientDevice, all, wait)
	must(t, err)
	return answers
}
