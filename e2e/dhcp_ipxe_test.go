package e2e

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/e2e/network"
	"github.com/virt-netboot/virt-netboot/internal/capture"
	"github.com/virt-netboot/virt-netboot/internal/probe"
	"github.com/virt-netboot/virt-netboot/internal/testing/frames"
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
	file := filepath.Join(t.TempDir(), "capture")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // emulated, beside others
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", append([]string{
		"-accel", "tcg", "-m", "256", "-display", "none", "-nic", "none",
		"-netdev", "user,id=net0,restrict=on,tftp=/usr/lib/ipxe,bootfile=snponly.efi",
		"-object", "filter-dump,id=dump0,netdev=net0,file=" + file,
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
		all, err := frames.Read(file)
		if err != nil {
			return err
		}
		request, err = findRequest(all)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// findRequest finds a DHCPv4 message from iPXE: UEFI begins with IPv6, or with its own
// client.
func findRequest(all []capture.Frame) (*dhcpv4.DHCPv4, error) {
	for _, frame := range all {
		udp, ok := gopacket.NewPacket(frame.Data, layers.LayerTypeEthernet, gopacket.Default).Layer(layers.LayerTypeUDP).(*layers.UDP)
		if !ok || udp.DstPort != dhcpv4.ServerPort {
			continue
		}
		request, err := dhcpv4.FromBytes(udp.Payload)
		if err == nil && slices.Contains(request.UserClass(), "iPXE") {
			return request, nil
		}
	}
	return nil, errors.New("no request of DHCP's in the capture yet")
}
