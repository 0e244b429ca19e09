package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/internal/capability"
)

// Options say where and how to ask.
type Options struct {
	Bridge string
	VLAN   uint16 // 0: the bridge's own
	// Firmware is the one that the requests of iPXE name; the boot file may depend on
	// it.
	Firmware Firmware
	// Timeout is how long to wait for answers, at most; see [Patience]. The probe ends
	// after five seconds where both iPXE and ordinary clients have been answered, or
	// iPXE alone where there is no server of OpenStack's.
	Timeout time.Duration
	// HostsFile is dnsmasq's with the addresses of OpenStack's instances; empty is
	// the one that [HostsFile] finds.
	HostsFile string
	// MAC is an instance's, to ask with besides the probe's own; empty is the
	// first of the hosts file.
	MAC net.HardwareAddr
	// OpenStack are OpenStack's servers. Empty, they are found out: see Offer.
	OpenStack []netip.Addr
	// NoOpenStack says that there are none. So does a node with nothing of Nova's and
	// Neutron's, where nothing else is said of OpenStack here.
	NoOpenStack bool
	// Progress is called several times a second with how long the probe will still take
	// at most. It may be nil.
	Progress func(left time.Duration)
}

// Report is what a probe found.
type Report struct {
	Bridge string `json:"bridge"`
	VLAN   uint16 `json:"vlan,omitempty"`
	// Verdict is that of the first finding.
	Verdict  Verdict   `json:"verdict"`
	Findings []Finding `json:"findings"`
	Offers   []Offer   `json:"offers"`
	// Asked are the MAC addresses in the requests.
	Asked []string `json:"asked"`
	// HostsFile is the one that was read; empty when there was none.
	HostsFile string `json:"hosts_file,omitempty"`
	// NoOpenStack says that there is no server of OpenStack's; the servers are then
	// neither OpenStack's nor a tenant's.
	NoOpenStack bool `json:"no_openstack,omitempty"`
}

// Run asks and judges the answers. An error means that it could not ask.
func Run(ctx context.Context, o Options) (report Report, err error) {
	err = capability.Require("probe",
		capability.Need{Bit: unix.CAP_NET_ADMIN, For: "to put a port into the bridge"},
		capability.Need{Bit: unix.CAP_NET_RAW, For: "to send and hear from it"})
	if err != nil {
		return Report{}, err
	}
	if o.HostsFile == "" {
		o.HostsFile = HostsFile("/", o.Bridge)
	}
	if len(o.OpenStack) == 0 && o.HostsFile == "" && o.MAC == nil && !hasOpenStack("/", "/proc") {
		o.NoOpenStack = true
	}
	evidence := Evidence{Network: o.network(), Firmware: o.Firmware, HostsFile: o.HostsFile, NoOpenStack: o.NoOpenStack}
	if evidence.HostsFile != "" {
		if evidence.Hosts, err = readHosts(evidence.HostsFile); err != nil {
			return Report{}, err
		}
	}
	var node []netip.Addr
	if len(o.OpenStack) == 0 && !o.NoOpenStack {
		if node, err = nodeAddresses(); err != nil {
			return Report{}, err
		}
	}
	if err := removeLeftovers(); err != nil {
		return Report{}, err
	}
	p, err := openPort(ctx, o.Bridge, o.VLAN)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()

	macs := o.macs(p.mac, evidence.Hosts)
	evidence.Offers, err = ask(ctx, p.inside, macs, o)
	if err != nil {
		return Report{}, fmt.Errorf("asking on %s: %w", o.Bridge, err)
	}
	if !o.NoOpenStack {
		markOpenStack(evidence.Offers, o.OpenStack, node, evidence.Hosts)
	}
	report = Report{Bridge: o.Bridge, VLAN: o.VLAN, Findings: Judge(evidence), Offers: evidence.Offers, HostsFile: evidence.HostsFile, NoOpenStack: o.NoOpenStack}
	report.Verdict = report.Findings[0].Verdict
	for _, mac := range macs {
		report.Asked = append(report.Asked, mac.String())
	}
	return report, nil
}

// network is where to ask, in words.
func (o Options) network() string {
	if o.VLAN == 0 {
		return o.Bridge
	}
	return fmt.Sprintf("VLAN %d of %s", o.VLAN, o.Bridge)
}

// macs are the addresses to ask with: the probe's own, which no server knows, and one
// that OpenStack's server knows.
func (o Options) macs(own net.HardwareAddr, hosts []Host) []net.HardwareAddr {
	if o.MAC != nil {
		return []net.HardwareAddr{own, o.MAC}
	}
	if len(hosts) > 0 {
		if known, err := net.ParseMAC(hosts[0].MAC); err == nil {
			return []net.HardwareAddr{own, known}
		}
	}
	return []net.HardwareAddr{own}
}
