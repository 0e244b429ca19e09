// Package qemu is the program qemu-hook, virt-netboot's hook for libvirt, which is
// installed as /etc/libvirt/hooks/qemu.d/50-virt-netboot.
package qemu

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path"
	"syscall"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/hooks"
	"github.com/virt-netboot/virt-netboot/internal/bootsector"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/existing"
	"github.com/virt-netboot/virt-netboot/internal/filtervar"
	"github.com/virt-netboot/virt-netboot/internal/hookreport"
	"github.com/virt-netboot/virt-netboot/internal/initrd"
	"github.com/virt-netboot/virt-netboot/internal/journal"
	"github.com/virt-netboot/virt-netboot/internal/version"
)

// root is where the configuration and the log's sockets are looked up. The
// tests' build sets another one with -ldflags "-X …/hooks/qemu.root=…".
var root = "/"

// Main runs the hook for a command line and returns its exit status.
func Main(args []string) int {
	if len(args) == 1 {
		switch args[0] {
		case "--help", "-h":
			io.WriteString(os.Stdout, help)
			return 0
		case "--version":
			fmt.Println("qemu-hook", version.Version)
			return 0
		}
	}
	call, err := hooks.ParseCall(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "qemu-hook: %v\n%s", err, usage)
		return 2
	}
	if !call.Handled() {
		return 0
	}
	// A libvirt that has stopped reading must not turn the answer into a death.
	signal.Ignore(syscall.SIGPIPE)
	return handler().Handle(call)
}

func handler() hooks.Handler {
	log := journal.Sink{
		Identifier: "virt-netboot",
		Journal:    path.Join(root, journal.JournalSocket),
		Syslog:     path.Join(root, journal.SyslogSocket),
	}
	return hooks.Handler{
		Config:     path.Join(root, config.DefaultPath),
		Existing:   path.Join(root, existing.Dir, existing.Name),
		ReadInitrd: initrd.New().ReadHead,
		ReadDisk:   bootsector.New().Read,
		NWFilter:   nwfilter,
		Timeout:    hooks.DefaultTimeout,
		Exit:       os.Exit,
		Log:        log.Logger(),
		Report:     func(r hookreport.Report) { r.Send(path.Join(root, hookreport.Socket)) },
		Stdin:      os.Stdin,
		Stdout:     os.Stdout,
		Stderr:     os.Stderr,
	}
}

// nwfilter looks an nwfilter up where libvirt keeps them. libvirt itself is not asked:
// it waits for the hook.
func nwfilter(name string) domainxml.NWFilter {
	variables, err := filtervar.Of(name, func(name string) ([]byte, error) {
		return os.ReadFile(path.Join(root, "/etc/libvirt/nwfilter", name+".xml"))
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return domainxml.NWFilter{State: domainxml.NWFilterMissing}
	case err != nil:
		return domainxml.NWFilter{State: domainxml.NWFilterUnknown}
	}
	return domainxml.NWFilter{State: domainxml.NWFilterDefined, Variables: variables}
}
