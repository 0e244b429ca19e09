package port

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestOVNTraces reads what Open vSwitch 3.1 said of a DHCPDISCOVER on a node of OVN 23.03
// (e2e/testdata/ovn.sh), with these DHCP options for its port and these ACLs.
func TestOVNTraces(t *testing.T) {
	const script, pxe = "http://10.20.0.77/boot.ipxe", "undionly.kpxe"
	own, web := netip.MustParseAddr("10.1.0.3"), netip.MustParseAddr("10.20.0.77")
	others := &Offer{Address: own, BootFile: pxe, OtherBootFile: pxe, NextServer: web}
	for name, want := range map[string]fate{
		"no-boot-file": {verdict: Answered, offer: &Offer{Address: own}},
		// bootfile_name, among options of all of OVN's types.
		"boot-file": {verdict: Answered, offer: &Offer{Address: own, BootFile: script, OtherBootFile: script}},
		// bootfile_name, bootfile_name_alt, next_server.
		"two-boot-files": {verdict: Answered, offer: &Offer{Address: own, BootFile: script, OtherBootFile: pxe, NextServer: web}},
		"others-only":    {verdict: Answered, offer: others},
		// An ACL that logs hands the request to ovn-controller, too.
		"log-answered": {verdict: Answered, offer: others},
		"log-dropped":  {verdict: Dropped},
		"log-passes":   {verdict: Passes},
		// From a node of Neutron's: the request passes its own port, and the network has no
		// other one.
		"no-other-port": {verdict: Passes},
	} {
		t.Run(name, func(t *testing.T) {
			trace, err := os.ReadFile(filepath.Join("testdata", "ovn", name+".trace"))
			if err != nil {
				t.Fatal(err)
			}
			ignoreRule := cmpopts.IgnoreFields(fate{}, "rule")
			if diff := cmp.Diff(want, readTrace(string(trace)), cmp.AllowUnexported(fate{}), cmpopts.EquateComparable(netip.Addr{}), ignoreRule); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnreadableOffers: OVN answers, whatever it offers.
func TestUnreadableOffers(t *testing.T) {
	const header, address = "00.00.00.02.00.00.00.00.00.01.de.10.00.00.00.63", ".0a.01.00.03"
	for _, userdata := range []string{"00.00.00.02", header, header + address + ".43.1b.68"} {
		answered, offer := answers("    controller(userdata=" + userdata + ",pause)\n")
		if !answered || offer != nil {
			t.Errorf("%s: %t, %+v; want an answer without an offer", userdata, answered, offer)
		}
	}
	for _, trace := range []string{"controller(userdata=00.00.00.0,pause)", "controller(userdata=00.00.02,pause)", strings.Repeat("0", 100)} {
		if answered, offer := answers(trace); answered || offer != nil {
			t.Errorf("%q: %t, %+v; want no answer", trace, answered, offer)
		}
	}
}
