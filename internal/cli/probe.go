package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/internal/bootfile"
	"github.com/virt-netboot/virt-netboot/internal/printable"
	"github.com/virt-netboot/virt-netboot/internal/probe"
)

// probeFlags are the flags of probe that options() makes options of.
type probeFlags struct {
	opts      probe.Options
	mac       string
	openStack []string
	uefi      bool
	json      bool
}

func newProbe() *cobra.Command {
	var f probeFlags
	cmd := &cobra.Command{
		Use:   "probe --bridge BR [--vlan N] [--json]",
		Short: "Find out which DHCP servers answer iPXE on a bridge",
		Long: `Send a DHCPDISCOVER as iPXE and one as an ordinary client, where an instance
sends them. Say which servers answered and whether that is right: one server
gives iPXE an address, and it or a proxyDHCP server names what to boot. A
tenant's own DHCP server must answer only iPXE, and OpenStack's must not answer
iPXE beside it.

For this a port is put into the bridge, and taken away again. Only DHCPDISCOVER
is sent, so no server gives out a lease.

The verdicts:
  right             one server answers iPXE, and it or a proxyDHCP server names
                    what to boot; OpenStack's answers other clients
  race              more than one server gives iPXE an address or a boot file
  openstack-only    OpenStack's server alone answers iPXE, and names nothing to
                    boot
  no-answer         no server gives iPXE an address
  answers-ordinary  the tenant's server answers ordinary clients
  one-subnet        both servers give addresses of one subnet
  no-boot-file      the tenant's server answers iPXE, and names nothing to boot
  unknown           no fault is found, but OpenStack's server did not answer
There may be several verdicts at once, except for the first and the last.

Which server is OpenStack's: one with an address of this node or of one of
Neutron's namespaces on it (qdhcp-*), and one that offers to a MAC address what
the hosts file says. Where it runs elsewhere, name it with --openstack-server.
Where nothing of Nova's and Neutron's is on this node, there is none, and one
server may answer all clients.

The dnsmasq of Nova and Neutron answers only MAC addresses that it knows, so
the probe asks also as an instance of the hosts file. Where the probe
does not find the file, name it with --hostsfile, or a MAC address with --mac.
The instance that has this address is not disturbed.

It needs CAP_NET_ADMIN and CAP_NET_RAW only.

Exit status:
  0  right
  1  not right, or the output cannot be written
  2  it could not ask, or the verdict is unknown`,
		Example: `  virt-netboot probe --bridge br2006
  virt-netboot probe --bridge brq1b5c0e5e-2f --vlan 40 --openstack-server 10.0.0.2`,
		Args:                  usage(cobra.NoArgs),
		DisableFlagsInUseLine: true,
		RunE:                  f.run,
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.opts.Bridge, "bridge", "b", "", "the Linux `BRIDGE` that the instance's interface is in")
	flags.Uint16Var(&f.opts.VLAN, "vlan", 0, "ask in the VLAN `N` of the bridge")
	flags.DurationVar(&f.opts.Timeout, "timeout", probe.Patience, "how long to wait for answers, by default as long as iPXE does; where iPXE and others have been answered, 5s")
	flags.StringVar(&f.opts.HostsFile, "hostsfile", "", "the `FILE` that OpenStack's dnsmasq has its hosts from; by default Nova's or Neutron's for this bridge")
	flags.StringVar(&f.mac, "mac", "", "ask also with this `MAC` address, an instance's")
	flags.StringSliceVar(&f.openStack, "openstack-server", nil, "the `ADDRESS` of OpenStack's DHCP server, or none; may be given more than once")
	flags.BoolVar(&f.uefi, "uefi", false, "ask as the iPXE of a UEFI instance; by default of a BIOS one")
	flags.BoolVar(&f.json, "json", false, "write the result as a JSON object: verdict, findings, offers")
	completeFlag(cmd, "bridge", completeBridges("/sys"))
	completeFlag(cmd, "hostsfile", completeFiles)
	return cmd
}

func (f *probeFlags) run(cmd *cobra.Command, _ []string) error {
	opts, err := f.options()
	if err != nil {
		return &usageError{cmd, err}
	}
	const wipe = "\r\x1b[K"
	stderr, shown := cmd.ErrOrStderr(), isTerminal(cmd.ErrOrStderr())
	if shown {
		opts.Progress = func(left time.Duration) {
			fmt.Fprintf(stderr, wipe+"asking on %s, %.0f s left", opts.Bridge, left.Seconds())
		}
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	report, err := probe.Run(ctx, opts)
	if shown {
		fmt.Fprint(stderr, wipe)
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted: %w", err)
	}
	if err != nil {
		return err
	}
	if f.json {
		err = writeJSON(cmd.OutOrStdout(), report)
	} else {
		err = write(cmd.OutOrStdout(), describeProbe(report))
	}
	if err != nil {
		return err
	}
	return outcome(report.Verdict)
}

func (f *probeFlags) options() (probe.Options, error) {
	opts := f.opts
	if opts.Bridge == "" {
		return opts, errors.New("--bridge is missing")
	}
	if opts.VLAN > 4094 { // IEEE 802.1Q
		return opts, fmt.Errorf("--vlan %d: want 1 to 4094", opts.VLAN)
	}
	if opts.Timeout <= 0 {
		return opts, fmt.Errorf("--timeout %s: want more than 0", opts.Timeout)
	}
	if f.mac != "" {
		mac, err := net.ParseMAC(f.mac)
		if err != nil || len(mac) != 6 {
			return opts, fmt.Errorf("--mac %s: want six bytes, as in fa:16:3e:50:43:cd", f.mac)
		}
		opts.MAC = mac
	}
	opts.Firmware = probe.BIOS
	if f.uefi {
		opts.Firmware = probe.UEFI
	}
	if len(f.openStack) == 1 && f.openStack[0] == "none" {
		opts.NoOpenStack = true
		return opts, nil
	}
	for _, s := range f.openStack {
		a, err := netip.ParseAddr(s)
		if err != nil || !a.Is4() {
			return opts, fmt.Errorf("--openstack-server %s: want an IPv4 address, or none", s)
		}
		opts.OpenStack = append(opts.OpenStack, a)
	}
	return opts, nil
}

// outcome is the exit status of a verdict.
func outcome(v probe.Verdict) error {
	switch v {
	case probe.Right:
		return nil
	case probe.Unknown:
		return errors.New("cannot tell whether this is right")
	}
	return &failure{error: fmt.Errorf("the verdict is %s", v), logged: true}
}

// describeProbe is a report for an operator: a line for each offer, then the findings.
func describeProbe(r probe.Report) []byte {
	var table, b bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "REQUEST\tAS\tANSWERED BY\t\tOFFERS\tBOOT FILE")
	for _, mac := range r.Asked {
		for _, client := range []probe.Client{probe.IPXE, probe.Ordinary} {
			describeOffers(w, r, client, mac)
		}
	}
	w.Flush() // to memory
	for line := range bytes.Lines(table.Bytes()) {
		b.Write(bytes.TrimRight(line, " \n")) // an empty last column is spaces
		b.WriteByte('\n')
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\n%s", line("%s: %s", f.Verdict, f.Text))
		if f.Do != "" {
			b.WriteString(line("  to do: %s", f.Do))
		}
	}
	return b.Bytes()
}

func describeOffers(w io.Writer, r probe.Report, client probe.Client, mac string) {
	silent := true
	for _, o := range r.Offers {
		if o.Client != client || o.MAC != mac {
			continue
		}
		silent = false
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", client, mac, o.Server, kind(r, o), offered(o), printable.Line(bootFile(o)))
	}
	if silent {
		fmt.Fprintf(w, "%s\t%s\tno server\t\t\t\n", client, mac)
	}
}

// kind is whose server it is.
func kind(r probe.Report, o probe.Offer) string {
	switch {
	case o.Proxy:
		return "proxyDHCP"
	case r.NoOpenStack:
		return ""
	case o.OpenStack:
		return "OpenStack's"
	}
	return "tenant's"
}

// offered is an address with its subnet, as in 10.0.0.3/24.
func offered(o probe.Offer) string {
	if o.Proxy {
		return "no address"
	}
	if !o.Subnet.IsValid() {
		return o.Address.String()
	}
	return netip.PrefixFrom(o.Address, o.Subnet.Bits()).String()
}

func bootFile(o probe.Offer) string {
	switch {
	case o.BootFile == "" && o.RootPath != "":
		return o.RootPath
	case o.BootFile == "" && (o.BootMenu || o.Proxy):
		return "PXE's menu"
	case o.BootFile == "":
		return "none"
	}
	return bootfile.URL(o.BootFile, o.NextServer)
}
