package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

const (
	ipxeKernel = "/usr/lib/ipxe/ipxe.lkrn" // Debian's package ipxe

	// guestTime is more than a guest takes from power on to what it boots, emulated
	// beside others.
	guestTime = 2 * time.Minute

	akiServer = "192.0.2.1" // where the script reports to
	akiScript = `#!ipxe
ifopen net0
set net0/ip 192.0.2.2
set net0/netmask 255.255.255.0
imgfetch http://` + akiServer + `/fetched-by-the-script && echo the script runs
shell
`
)

// TestIPXEKernel boots an instance whose kernel (AKI) is iPXE and whose initrd
// (ARI) is a script of its owner's, with the command line that Nova writes.
func TestIPXEKernel(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true}, func(t *testing.T, l *lab.Lab) {
		g := akiGuest(t, l)
		ip(t, l, "addr add %s/24 dev %s", akiServer, g.Domain.Devices.Interfaces[0].Source.Bridge.Bridge)
		fetched := serveHTTP(t, akiServer)
		startAgent(t, l)

		t.Run("bypassing the gateway", func(t *testing.T) {
			virsh(t, l, "create", g.File)
			awaitScreen(t, l, g.Name, "root=/dev/vda1: command not found")
			awaitScreen(t, l, g.Name, "Booting from Hard Disk") // iPXE has ended
			select {
			case path := <-fetched:
				t.Errorf("the script ran: it fetched %s", path)
			default:
			}
			virsh(t, l, "destroy", g.Name)
		})
		t.Run("through the gateway", func(t *testing.T) {
			virshGateway(t, l, "create", g.File)
			awaitScreen(t, l, g.Name, "the script runs")
			if path := <-fetched; path != "/fetched-by-the-script" {
				t.Errorf("the guest fetched %s", path)
			}
			os := dumpxml(t, l, g.Name).OS
			if os.Cmdline != "" || os.Kernel != g.Domain.OS.Kernel || os.Initrd != g.Domain.OS.Initrd {
				t.Errorf("kernel %q, initrd %q, command line %q", os.Kernel, os.Initrd, os.Cmdline)
			}
			virsh(t, l, "destroy", g.Name)
		})
	})
}

// TestOrdinaryKernelThroughGateway boots an AMI: it boots as without a gateway, and
// the log tells the operator why the network is not tried: once at each start, as the
// hook says it for all.
func TestOrdinaryKernelThroughGateway(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "ami-kernel-ramdisk")
		startAgent(t, l)
		virshGateway(t, l, "define", g.File)
		await(t, statusSays(t, l, g.Domain.OS.Initrd))
		if n := warned(t, l, g.Name, g.Domain.OS.Kernel); n != 0 {
			t.Errorf("%d warnings before the first start", n)
		}
		for starts := range 2 {
			if starts > 0 {
				virshGateway(t, l, "destroy", g.Name)
			}
			virshGateway(t, l, "start", g.Name)
			if n := warned(t, l, g.Name, g.Domain.OS.Kernel); n != starts+1 {
				t.Errorf("%d warnings after start %d", n, starts+1)
			}
		}
		checkWarned(t, l, g.Name, g.Domain.OS.Initrd)
		if os := dumpxml(t, l, g.Name).OS; os.Cmdline != g.Domain.OS.Cmdline || len(os.BootDevices) != 1 {
			t.Errorf("command line %q, boot devices %v", os.Cmdline, os.BootDevices)
		}
		awaitKernel(t, g)
	})
}

// akiGuest is an AMI of Nova's, with iPXE as its kernel and a script as its initrd.
func akiGuest(t *testing.T, l *lab.Lab) *lab.Guest {
	t.Helper()
	row := novaGuest(t, l, "ami-kernel-ramdisk")
	document := strings.Replace(row.Document, "root=/dev/vda console=ttyS0", "root=/dev/vda1 console=ttyS0", 1)
	if document == row.Document {
		t.Fatal("Nova's document has another command line")
	}
	g, err := l.Prepare(t.Context(), document)
	must(t, err)
	kernel, err := os.ReadFile(ipxeKernel)
	must(t, err)
	must(t, os.WriteFile(g.Domain.OS.Kernel, kernel, 0o644))
	must(t, os.WriteFile(g.Domain.OS.Initrd, []byte(akiScript), 0o644))
	return g
}

// serveHTTP serves until the test ends, and tells which paths are asked for.
func serveHTTP(t *testing.T, address string) <-chan string {
	t.Helper()
	listener, err := net.Listen("tcp", address+":80")
	must(t, err)
	paths := make(chan string, 10)
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { paths <- r.URL.Path })}
	go func() { _ = server.Serve(listener) }() // until it is closed
	t.Cleanup(func() { _ = server.Close() })
	return paths
}

// awaitScreen waits until the text is on a guest's screen.
func awaitScreen(t *testing.T, l *lab.Lab, domain, text string) {
	t.Helper()
	awaitGuest(t, func() error {
		screen, err := l.Screen(t.Context(), domain)
		if err == nil && !strings.Contains(screen, text) {
			err = fmt.Errorf("no %q on the screen of %s:\n%s", text, domain, screen)
		}
		return err
	})
}
