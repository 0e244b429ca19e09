package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/e2e/network"
	"github.com/virt-netboot/virt-netboot/internal/probe"
)

// TestProbeAsksLikeIPXE compares the probe's request with that of the iPXE that this
// machine's QEMU runs, under BIOS and under UEFI.
func TestProbeAsksLikeIPXE(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, _ *lab.Lab) {
		for firmware, args := range map[probe.Firmware][]string{
			probe.BIOS: nil,
			// OVMF uses the network only where it has random numbers.
			probe.UEFI: {"-bios", "/usr/share/ovmf/OVMF.fd", "-device", "virtio-rng-pci"},
		} {
			t.Run(string(firmware), func(t *testing.T) {
				real := firstRequest(t, args)
				ours, err := probe.DiscoverIPXE(real.ClientHWAddr, firmware)
				if err != nil {
					t.Fatal(err)
				}
				// Its own option tells what it was built with, which may change.
				real.DeleteOption(network.OptionIPXE)
				ours.DeleteOption(network.OptionIPXE)
				withoutNewer(real)
				if diff := cmp.Diff(real.Options, ours.Options); diff != "" {
					t.Errorf("-real iPXE +probe:\n%s", diff)
				}
			})
		}
	})
}

// withoutNewer takes away what iPXEs newer than Debian 12's ask for besides: NTP
// servers.
func withoutNewer(request *dhcpv4.DHCPv4) {
	asked := request.ParameterRequestList()
	older := slices.DeleteFunc(asked, func(code dhcpv4.OptionCode) bool { return code.Code() == dhcpv4.OptionNTPServers.Code() })
	request.UpdateOption(dhcpv4.OptParameterRequestList(older...))
}

// firstRequest is iPXE's first DHCP message in a QEMU that boots from the network.
// Where the option ROM has iPXE for BIOS alone, OVMF's own client loads it.
func firstRequest(t *testing.T, firmware []string) *dhcpv4.DHCPv4 {
	t.Helper()
	capture := filepath.Join(t.TempDir(), "capture")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // emulated, beside others
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", append([]string{
		"-accel", "tcg", "-m", "256", "-display", "none", "-nic", "none",
		"-netdev", "user,id=net0,restrict=on,tftp=/usr/lib/ipxe,bootfile=snponly.efi",
		"-object", "filter-dump,id=dump0,netdev=net0,file=" + capture,
		"-device", "virtio-net-pci,netdev=net0,bootindex=1",
	}, firmware...)...)
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	var request *dhcpv4.DHCPv4
	err := lab.Await(ctx, func() (err error) {
		file, err := os.ReadFile(capture)
		if err != nil {
			return err
		}
		request, err = findRequest(file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// findRequest finds a DHCPv4 message from iPXE in a capture file: UEFI begins
// with IPv6, or with its own client.
func findRequest(file []byte) (*dhcpv4.DHCPv4, error) {
	const fileHeader, packetHeader = 24, 16
	for len(file) > 0 {
		at := fileHeader + packetHeader
		if len(file) < at {
			break
		}
		size := int(file[fileHeader+8]) | int(file[fileHeader+9])<<8 // captured bytes of the packet
		if len(file) < at+size {
			break
		}
		packet := file[at : at+size]
		request, err := requestIn(packet)
		if err == nil && slices.Contains(request.UserClass(), "iPXE") {
			return request, nil
		}
		file = file[packetHeader+size:]
	}
	return nil, errors.New("no request of DHCP's in the capture yet")
}

// requestIn reads the DHCPv4 message of a client in an Ethernet frame.
func requestIn(frame []byte) (*dhcpv4.DHCPv4, error) {
	const ethernet, ipv4, udp = 14, 20, 8
	if len(frame) < ethernet+ipv4+udp || frame[12] != 8 || frame[13] != 0 || frame[23] != 17 || frame[37] != dhcpv4.ServerPort {
		return nil, errors.New("not to a DHCPv4 server")
	}
	return dhcpv4.FromBytes(frame[ethernet+ipv4+udp:])
}
