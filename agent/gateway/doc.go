// Package gateway stands on a unix socket in front of libvirtd or virtqemud and
// applies the policy to the domain XML that passes:
//
//	listeners, err := gateway.Listen("/run/virt-netboot/libvirt-sock")
//	if err != nil {
//		return err
//	}
//	s := &gateway.Server{
//		Listeners: listeners,
//		Rewriter:  func() domainxml.Rewriter { return rewriter },
//		Log:       log,
//		Metrics:   gateway.NewMetrics(prometheus.DefaultRegisterer),
//	}
//	return s.Serve(ctx)
//
// It speaks libvirt's RPC (src/rpc/virnetprotocol.x and
// src/remote/remote_protocol.x in libvirt's source, whose names it uses). Calls
// that define or create a domain, or attach or update a device, are rewritten;
// everything else passes byte for byte, with its descriptors. What is taken from a
// device goes into the metadata of its domain, by calls of the gateway's own on the
// client's connection, as what is taken from a domain does in its document. libvirt
// sees the client's own uid and gids, so nobody gets more from the gateway's socket than
// from libvirt's.
package gateway
