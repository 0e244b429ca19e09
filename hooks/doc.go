// Package hooks answers the calls that libvirt's QEMU driver makes to its
// hooks (docs/hooks.rst in libvirt):
//
//	call, err := hooks.ParseCall(os.Args[1:])
//	…
//	os.Exit(handler.Handle(call))
//
// At migrate and restore libvirt takes the document that the hook prints in
// place of the one that it gave, so there the hook is a filter. At prepare it
// throws that document away; all the hook can do about a domain that came in
// past the gateway is to tell of it, or to refuse its start. At every other
// operation there is nothing to do, and a failure would kill a running guest.
//
// Whatever goes wrong, the guest starts as if there were no hook, and the log
// says why.
package hooks
