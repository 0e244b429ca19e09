// Package hooks answers the calls that libvirt's QEMU driver makes to its
// hooks (docs/hooks.rst in libvirt):
//
//	call, err := hooks.ParseCall(os.Args[1:])
//	…
//	os.Exit(handler.Handle(call))
//
// At migrate and restore libvirt takes the document that the hook prints in place of
// its own: the hook is a filter. At prepare libvirt ignores that document; about a
// domain that bypassed the gateway, the hook can only warn, or refuse its start. At
// every other operation it does nothing, and a failure would kill a running guest.
//
// After any error the guest starts as if there were no hook, and the log says why. The one
// exception is a document at prepare that cannot be read, where a rule that may be the
// domain's has unprepared: deny.
package hooks
