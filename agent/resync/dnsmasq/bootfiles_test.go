package dnsmasq_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/agent/resync/dnsmasq"
)

// TestBootFiles reads what Neutron's DHCP agent writes for a network: Neutron 21 has port-
// before a port's ID.
func TestBootFiles(t *testing.T) {
	const conf = "dhcp-userclass=set:ipxe,iPXE\n"
	const options = "tag:subnet-a26cc134-48d6-4575-a501-d180be819e0a,option:router\n" +
		"tag:port-9c006bcf-9b59-4c47-bbec-1631bf2cce9b,option:server-ip-address,10.20.0.77\n" +
		"tag:port-9c006bcf-9b59-4c47-bbec-1631bf2cce9b,option:bootfile-name,http://10.20.0.77/boot.ipxe\n" +
		"tag:5f3cd2a1-0b7e-4a52-9f59-4f2f7f3a1c11,67,http://10.20.0.77/a,b\n" +
		"tag:eb7b0d59-16d8-4357-9279-45c03fc5f22e,tag:!ipxe,option:bootfile-name,undionly.kpxe\n" +
		"tag:f00d,option:bootfile-name,\"not closed"
	want := map[string]string{
		"9c006bcf-9b59-4c47-bbec-1631bf2cce9b": "http://10.20.0.77/boot.ipxe",
		"5f3cd2a1-0b7e-4a52-9f59-4f2f7f3a1c11": "http://10.20.0.77/a,b",
	}
	if diff := cmp.Diff(want, dnsmasq.BootFiles([]byte(conf), []byte(options))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
