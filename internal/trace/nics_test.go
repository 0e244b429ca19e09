package trace

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/internal/timeline"
)

func TestNICs(t *testing.T) {
	const document = `<domain type="kvm"><name>vm</name><devices>%</devices></domain>`
	mac := net.HardwareAddr{0xfa, 0x16, 0x3e, 0, 0, 1}
	const address = `<mac address="fa:16:3e:00:00:01"/>`
	for _, tc := range []struct {
		name, devices string
		with          []timeline.NIC
		why           string // of the one without
	}{
		{"a tap in a bridge", `<interface type="bridge">` + address + `<source bridge="br0"/><target dev="vnet0"/></interface>`, []timeline.NIC{{Device: "vnet0", MAC: mac}}, ""},
		{"Nova's tap in Open vSwitch", `<interface type="ethernet">` + address + `<target dev="tap5f3cd2a1-0b"/></interface>`, []timeline.NIC{{Device: "tap5f3cd2a1-0b", MAC: mac}}, ""},
		{"macvtap", `<interface type="direct">` + address + `<source dev="eth0" mode="bridge"/><target dev="macvtap0"/></interface>`, []timeline.NIC{{Device: "macvtap0", MAC: mac}}, ""},
		{
			"user networking", `<interface type="user">` + address + `<alias name="net0"/></interface>`, nil,
			"virsh qemu-monitor-command vm --hmp 'object_add filter-dump,id=dump0,netdev=hostnet0,file=/var/lib/libvirt/qemu/vm.pcap'",
		},
		{
			"SR-IOV", `<interface type="hostdev" managed="yes">` + address + `<source><address type="pci" domain="0" bus="2" slot="0" function="1"/></source></interface>`, nil,
			"passed through sends past this node: mirror its port",
		},
		{"vDPA", `<interface type="vdpa">` + address + `<source dev="/dev/vhost-vdpa-0"/></interface>`, nil, "vDPA sends past this node"},
		{
			"vhost-user", `<interface type="vhostuser">` + address + `<source type="unix" path="/var/run/openvswitch/vhu0" mode="server"/><target dev="vhu0"/></interface>`, nil,
			"ovs-tcpdump -i PORT",
		},
		{"a tap that has gone", `<interface type="bridge">` + address + `<source bridge="br0"/><target dev="gone"/></interface>`, nil, "it has no device on this node"},
		{"none", ``, nil, ""},
	} {
		present := func(device string) bool {
			return slices.Contains([]string{"vnet0", "tap5f3cd2a1-0b", "macvtap0"}, device)
		}
		with, without, err := nics([]byte(strings.Replace(document, "%", tc.devices, 1)), present)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if diff := cmp.Diff(tc.with, with); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tc.name, diff)
		}
		if tc.why == "" && len(without) == 0 {
			continue
		}
		if len(without) != 1 || tc.why == "" || !strings.Contains(without[0].Why, tc.why) {
			t.Errorf("%s: %+v, want %q", tc.name, without, tc.why)
		}
	}
	if _, _, err := nics([]byte("<domain"), nil); err == nil {
		t.Error("a document that is none has interfaces")
	}
}
