// Package probe finds out who answers DHCP requests on a bridge, those of iPXE
// and those of ordinary clients, and judges it by the two rules that network boot
// needs: OpenStack's server ignores every request of iPXE's, the tenant's server
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
// It asks where an instance asks: through a port of its own in the bridge, a veth
// pair that is there only as long as it asks. It sends DHCPDISCOVER alone and never
// a DHCPREQUEST, so that no server gives it a lease (RFC 2131, section 3.1).
package probe
