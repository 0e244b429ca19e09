// Package resync keeps the files of an old Nova patched: its domain template and
// the configuration of its dnsmasq. A package upgrade, Puppet or an operator puts
// the stock file back; within a second it is patched again:
//
//	w := &resync.Watcher{
//		Files:  config.Files,
//		Policy: config.Policy,
//		Log:    log,
//	}
//	err := w.Run(ctx)
//
// Beside a file NAME there can be NAME.virt-netboot-orig, the stock file as it
// was before the first change, and NAME.virt-netboot-off, which says that the
// file is to be left alone: [Revert] makes it, [Apply] takes it away. Where NAME
// is a symlink the stock file is kept beside its target.
//
// Where another user than root can change what a path leads to, the work is done as
// that user, in a directory that is opened once: root does not follow what may be
// another file by then.
//
// What is to become of a file is decided by pure functions: an editor for its
// kind (packages novatemplate and dnsmasq) and decide.
package resync
