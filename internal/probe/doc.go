// Package probe finds out which servers answer DHCP requests on a bridge, those of iPXE
// and those of ordinary clients. It judges them by the two rules that network boot
// needs: OpenStack's server ignores every request of iPXE's, and the tenant's server
// ignores every other.
//
//	report, err := probe.Run(ctx, probe.Options{Bridge: "br2006", Timeout: probe.Patience})
//	if err != nil {
//		return err
//	}
//	for _, f := range report.Findings {
//		fmt.Println(f.Verdict, f.Text, f.Do)
//	}
//
// It asks where an instance asks: through a port of its own in the bridge, a veth pair
// that is removed afterwards. It sends only DHCPDISCOVER and never a DHCPREQUEST, so
// that no server gives it a lease (RFC 2131, section 3.1).
package probe
