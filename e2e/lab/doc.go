// Package lab is a compute node that lasts as long as one program: real
// libvirtd, virtlogd, systemd-journald and QEMU in mount, network, PID, UTS and
// IPC namespaces of their own. What they write lies on a tmpfs, their sockets in
// a private /run, their bridges in a private network: the host's own libvirt
// never notices, and several labs run beside each other.
//
// A program that uses it starts twice: once on the host, and once more in the
// lab, where it does its work.
//
//	func main() {
//		lab.Main() // first of all: the lab's own processes start here
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//		defer stop()
//		if !lab.Inside() {
//			err := lab.Enter(ctx, os.Args[1:]...) // the same program, in a lab
//			…
//		}
//		l, err := lab.Open(ctx, lab.Options{})
//		…
//		defer l.Close()
//		out, err := l.Virsh(ctx, "list", "--all")
//
// A test calls [Run], which does the same around its body.
package lab
