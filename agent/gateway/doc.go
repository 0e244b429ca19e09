// Package gateway stands on a unix socket in front of libvirtd or virtqemud and
// applies the policy to the domain XML that passes.
//
// Typical usage:
//
//	listeners, err := gateway.Listen("/run/virt-netboot/libvirt-sock")
//	if err != nil {
//		return err
//	}
//	s := &gateway.Server{
//		Listeners: listeners,
//		Rewriter:  func() domainxml.Rewriter { return rewriter },
//		Log:       log,
//	}
//	return s.Serve(ctx)
//
// Calls that define or create a domain, or attach or update a device, are rewritten.
// Everything else passes byte for byte, with its descriptors.
//
// In the order in which a client meets them:
//
//   - listen.go makes the socket, and gives it the mode and group of libvirt's.
//   - server.go accepts the client, and lets it finish when the server stops.
//   - connect.go connects to libvirt as the client, whose uid and groups internal/credentials
//     takes on: libvirt decides what the client may do, not the gateway.
//   - conn.go is the life of the connection. It waits (wait.go) on a thread of its own,
//     or among the idle ones (idle.go).
//   - flow.go is one direction of it: it moves the bytes between two sockets (socket.go)
//     and takes out the frames that are to be looked into.
//   - pending.go is the life of a call with XML: when it is rewritten, and what follows
//     from libvirt's answer, a refusal too. hangup.go ends the rewriting when the client
//     leaves.
//   - own.go makes the gateway's own calls to libvirt, on the client's connection.
//   - sync.go has a domain brought in sync before the client knows that its devices have
//     changed.
//   - undo.go saves what a device loses, so that virt-netboot revert can put it back.
//   - handover.go leaves the connections to the next process, and goes on with those of
//     the one before; connstate.go is what a connection is besides its sockets.
//   - report.go logs what became of a call, within each user's limit (loglimit.go), and
//     metrics.go counts it.
//   - rpc is libvirt's protocol: rpc/frame.go finds the frames and checks their length,
//     rpc/call.go splices another document into a call.
//
// check.go is for a watchdog: do clients get in?
package gateway
