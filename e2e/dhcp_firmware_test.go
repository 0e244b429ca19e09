package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/e2e/network"
)

const (
	// firmwareFile is the iPXE that the tenant's servers load into x86-64 firmware.
	firmwareFile = "snponly.efi"
	firmwareMAC  = "fa:16:3e:00:02:01"
	// tftpRoot is what tenant/dnsmasq.conf says.
	tftpRoot = "/var/lib/tftpboot"
)

// TestFirmwareBootsByTFTP: OVMF's own PXE loads an iPXE from the tenant's dnsmasq,
// which boots the tenant's script. There is no other iPXE: the network card has no
// option ROM.
func TestFirmwareBootsByTFTP(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		addFirmwareNetwork(t, l)
		startTenantDnsmasq(t, "tenant", withFirmware(t, shipped(t, "tenant/dnsmasq.conf")))
		// DHCP and TFTP, that on its own addresses, so that others may serve elsewhere.
		want := []string{"udp 0.0.0.0%eth0:67", "udp " + tenantServer + ":69", "udp 127.0.0.1:69"}
		if diff := cmp.Diff(want, listening(t, l, "tenant")); diff != "" {
			t.Fatalf("what dnsmasq listens on, -want +got:\n%s", diff)
		}
		writeIn(t, tftpRoot, firmwareFile, firmwareIPXE(t))
		web := startFirmwareWeb(t, nil)
		bootFirmware(t, l, web, "/x64.ipxe", "/hello?platform=efi")
	})
}

// TestFirmwareBootsByHTTP: the same over HTTP, with a tenant's server that has no
// TFTP.
func TestFirmwareBootsByHTTP(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		addFirmwareNetwork(t, l)
		startTenantKea(t, "tenant", withFirmware(t, shipped(t, "tenant/kea-dhcp4.conf")))
		web := startFirmwareWeb(t, map[string]string{firmwareFile: firmwareIPXE(t)})
		bootFirmware(t, l, web, "/"+firmwareFile, "/x64.ipxe", "/hello?platform=efi")
	})
}

// listening are the sockets of IPv4 that listen in a network namespace.
func listening(t *testing.T, l *lab.Lab, namespace string) []string {
	t.Helper()
	var sockets []string
	for line := range strings.Lines(run(t, l, "ip", "netns", "exec", namespace, "ss", "-H4lnut")) {
		columns := strings.Fields(line) // protocol, state, two queues, address
		sockets = append(sockets, columns[0]+" "+columns[4])
	}
	slices.Sort(sockets)
	return sockets
}

// addFirmwareNetwork adds OpenStack's server, which knows the instance and leaves
// firmware alone, and the tenant's machine.
func addFirmwareNetwork(t *testing.T, l *lab.Lab) {
	t.Helper()
	addNovaBridge(t, l)
	startNova(t, l, withFirmware(t, shipped(t, "openstack/nova-dnsmasq.conf")), firmwareMAC+",vm1.novalocal,"+vmAddress+"\n")
	addMachine(t, l, "tenant", novaBridge, "eth0", tenantServer)
}

// firmwareIPXE is Debian's iPXE for UEFI.
func firmwareIPXE(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/usr/lib/ipxe/" + firmwareFile)
	must(t, err)
	return string(b)
}

// startFirmwareWeb starts the tenant's web server, with a script and other files.
func startFirmwareWeb(t *testing.T, files map[string]string) *network.Server {
	t.Helper()
	all := map[string]string{
		"x64.ipxe": "#!ipxe\nimgfetch http://" + tenantServer + "/hello?platform=${platform}\nshell\n",
		"hello":    "hello\n",
	}
	for name, text := range files {
		all[name] = text
	}
	web, err := network.Machine{Name: "tenant", Address: tenantServer}.StartWeb(t.Context(), all)
	must(t, err)
	stopAfter(t, web)
	return web
}

// bootFirmware boots an OVMF without an iPXE of its own until it has got files from
// a web server.
func bootFirmware(t *testing.T, l *lab.Lab, web *network.Server, files ...string) {
	t.Helper()
	ip(t, l, "tuntap add tapvm mode tap")
	ip(t, l, "link set tapvm master %s up", novaBridge)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // emulated, beside others
	defer cancel()
	args := []string{
		"-accel", "tcg", "-m", "256", "-display", "none", "-nic", "none", "-bios", "/usr/share/ovmf/OVMF.fd",
		"-netdev", "tap,id=net0,ifname=tapvm,script=no,downscript=no",
		"-device", "virtio-net-pci,netdev=net0,mac=" + firmwareMAC + ",romfile=,bootindex=1",
		"-device", "virtio-rng-pci", // without random numbers, OVMF of Debian 13 leaves the network out
		"-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n", // which would be tried for a minute
	}
	if slices.Contains(files, "/"+firmwareFile) {
		args = append(args, "-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n")
	}
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", args...)
	cmd.Stderr = t.Output()
	must(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	must(t, lab.Await(ctx, func() error {
		for _, file := range files {
			if !strings.Contains(web.Log(), fmt.Sprintf("%q 200", "GET "+file+" HTTP/1.1")) {
				return fmt.Errorf("%s has not been fetched:\n%s", file, web.Log())
			}
		}
		return nil
	}))
}
