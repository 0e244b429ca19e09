package e2e

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestField does what clients in the field do to a domain, each with one of its own.
func TestField(t *testing.T) {
	config := "rules:\n- {name: rng, match: {name: rng}, rng: add}\n- {name: default}\n"
	lab.Run(t, lab.Options{Config: config}, func(t *testing.T, l *lab.Lab) {
		must(t, l.AddBridge(t.Context(), "br100"))
		must(t, l.DefineFilter(t.Context(), "nova-base"))
		startAgent(t, l)
		for name, test := range map[string]func(*testing.T, *lab.Lab){
			"own boot index":         fieldOwnBootIndex,
			"own disk":               fieldOwnDisk,
			"boot disk replaced":     fieldBootDiskReplaced,
			"number beside ours":     fieldNumberBesideOurs,
			"VirtualBMC":             fieldVirtualBMC,
			"first interface gone":   fieldFirstInterfaceGone,
			"nwfilter gone":          fieldFilterGone,
			"undo record lost":       fieldRecordLost,
			"clone of a reverted":    fieldClone,
			"random number":          fieldRNG,
			"boot devices twice":     fieldBootsTwice,
			"first interface no ROM": fieldFirstWithoutROM,
		} {
			t.Run(name, func(t *testing.T) { test(t, l) })
		}
	})
}

// fieldGuest is a guest with those elements; its disk is vda.
type fieldGuest struct {
	name, os, devices, more string
}

func (g fieldGuest) document() string {
	return fmt.Sprintf(`<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>%s</name>
  <memory unit='MiB'>64</memory>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    %s
  </os>
  <features><acpi/></features>
  <devices>
    %s
  </devices>
  %s
</domain>`, g.name, g.os, g.devices, g.more)
}

func fieldNIC(mac, more string) string {
	return fmt.Sprintf("<interface type='bridge'><mac address='52:54:00:f1:e1:%s'/><source bridge='br100'/><model type='virtio'/>%s</interface>", mac, more)
}

// fieldDefine defines a guest through the gateway. It is undefined when the test ends.
func fieldDefine(t *testing.T, l *lab.Lab, g fieldGuest) {
	t.Helper()
	virshGateway(t, l, "define", writeFile(t, g.name+".xml", g.document()))
	t.Cleanup(func() { _, _ = l.Virsh(t.Context(), "undefine", g.name) })
}

// fieldStarts starts a guest, and stops it again.
func fieldStarts(t *testing.T, l *lab.Lab, name string) map[string]int {
	t.Helper()
	virshGateway(t, l, "start", "--paused", name)
	indexes := map[string]int{}
	if !strings.HasPrefix(name, "own") { // libvirt's devices alone have JSON
		indexes = bootIndexes(t, l, name)
	}
	virsh(t, l, "destroy", name)
	return indexes
}

// fieldBoots are the boot devices of a definition.
func fieldBoots(t *testing.T, l *lab.Lab, name string) []string {
	t.Helper()
	var boots []string
	for _, b := range dumpxml(t, l, name, "--inactive").OS.BootDevices {
		boots = append(boots, b.Dev)
	}
	return boots
}

func wantBoots(t *testing.T, l *lab.Lab, name string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, fieldBoots(t, l, name)); diff != "" {
		t.Errorf("boot devices of %s (-want +got):\n%s", name, diff)
	}
}

// wantStatus waits until status has a text about a domain.
func wantStatus(t *testing.T, l *lab.Lab, domain, text string) {
	t.Helper()
	await(t, func() error {
		out, _ := l.VirtNetboot(t.Context(), "status", "--json") // its exit status says that there are warnings
		if !strings.Contains(out, text) {
			return fmt.Errorf("status says nothing of %q about %s:\n%s", text, domain, out)
		}
		return nil
	})
}

// fieldFails runs a command that must exit with status 1, and returns its output.
func fieldFails(t *testing.T, l *lab.Lab, args ...string) string {
	t.Helper()
	out, err := l.VirtNetboot(t.Context(), args...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("%v ends with %v, want exit status 1", args, err)
	}
	return out
}

func fieldOwnBootIndex(t *testing.T, l *lab.Lab) {
	args := ""
	for _, a := range []string{"-blockdev", "driver=null-co,node-name=own,read-zeroes=on", "-device", "virtio-blk-pci,drive=own,addr=0xa,bootindex=1"} {
		args += "<qemu:arg value='" + a + "'/>"
	}
	fieldDefine(t, l, fieldGuest{"own-index", "<boot dev='hd'/>", fieldNIC("01", ""), "<qemu:commandline>" + args + "</qemu:commandline>"})
	wantBoots(t, l, "own-index", "hd")
	fieldStarts(t, l, "own-index")
	wantStatus(t, l, "own-index", `"boot-index"`)
}

// fieldOwnDisk: SeaBIOS finds a disk that libvirt does not know only where no device has a
// boot index.
func fieldOwnDisk(t *testing.T, l *lab.Lab) {
	args := "<qemu:arg value='-drive'/><qemu:arg value='file=null-co://,format=raw,if=ide,index=3'/>"
	fieldDefine(t, l, fieldGuest{"own-disk", "<boot dev='hd'/>", fieldNIC("02", ""), "<qemu:commandline>" + args + "</qemu:commandline>"})
	wantBoots(t, l, "own-disk", "hd")
	fieldStarts(t, l, "own-disk")
}

func fieldBootDiskReplaced(t *testing.T, l *lab.Lab) {
	disk := virtioDisk(t, "vda", "<boot order='1'/>")
	fieldDefine(t, l, fieldGuest{"replaced", "", disk + fieldNIC("03", "<boot order='2'/>"), ""})
	want := map[string]uint{"52:54:00:f1:e1:03": 1, "vda": 2}
	file := writeFile(t, "disk.xml", disk)
	other := writeFile(t, "other.xml", virtioDisk(t, "vdb", "<boot order='1'/>"))
	for range 2 {
		virshGateway(t, l, "detach-device", "replaced", file, "--config")
		virshGateway(t, l, "attach-device", "replaced", file, "--config")
		if diff := cmp.Diff(want, deviceOrders(dumpxml(t, l, "replaced", "--inactive"))); diff != "" {
			t.Fatalf("boot orders (-want +got):\n%s", diff)
		}
	}
	virshGateway(t, l, "detach-device", "replaced", file, "--config")
	virshGateway(t, l, "attach-device", "replaced", other, "--config")
	want = map[string]uint{"52:54:00:f1:e1:03": 1, "vdb": 2}
	if diff := cmp.Diff(want, deviceOrders(dumpxml(t, l, "replaced", "--inactive"))); diff != "" {
		t.Errorf("boot orders with another disk (-want +got):\n%s", diff)
	}
	fieldStarts(t, l, "replaced")
}

func fieldNumberBesideOurs(t *testing.T, l *lab.Lab) {
	fieldDefine(t, l, fieldGuest{"beside", "<boot dev='hd'/>", virtioDisk(t, "vda", "") + fieldNIC("04", ""), ""})
	dump := virshGateway(t, l, "dumpxml", "--inactive", "beside")
	head, devices, _ := strings.Cut(dump, "</os>")
	head = head[:strings.LastIndex(head, "<boot dev='hd'/>")] + head[strings.LastIndex(head, "<boot dev='hd'/>")+len("<boot dev='hd'/>"):]
	devices = strings.Replace(devices, "<target dev='vda' bus='virtio'/>", "<target dev='vda' bus='virtio'/><boot order='1'/>", 1)
	virshGateway(t, l, "define", writeFile(t, "edited.xml", head+"</os>"+devices))
	if diff := cmp.Diff(map[string]int{"virtio-disk0": 1}, fieldStarts(t, l, "beside")); diff != "" {
		t.Errorf("boot indexes (-want +got):\n%s", diff)
	}
	wantStatus(t, l, "beside", "client-boot-order")
}

func fieldVirtualBMC(t *testing.T, l *lab.Lab) {
	fieldDefine(t, l, fieldGuest{"bmc", "<boot dev='hd'/>", virtioDisk(t, "vda", "") + fieldNIC("05", ""), ""})
	wantBoots(t, l, "bmc", "network", "hd")
	bootdev := func(device string) {
		t.Helper()
		if out, err := l.Command(t.Context(), "/usr/bin/python3", "testdata/bootdev.py", lab.URI(lab.GatewaySocket), "bmc", device); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		virsh(t, l, "desc", "bmc", "--config", "set to "+device) // an event for the agent
		wantStatus(t, l, "bmc", "bmc")
		wantBoots(t, l, "bmc", device)
	}
	bootdev("hd")
	wantStatus(t, l, "bmc", "client-boot-order")
	bootdev("network")
	bootdev("hd")
	if out := virtNetboot(t, l, "apply", "bmc"); !strings.Contains(out, "boot order network, hd instead of hd") {
		t.Errorf("apply says %q", out)
	}
	wantBoots(t, l, "bmc", "network", "hd")
	bootdev("network")
	virtNetboot(t, l, "revert", "bmc")
	wantBoots(t, l, "bmc", "network")
}

func fieldFirstInterfaceGone(t *testing.T, l *lab.Lab) {
	first := fieldNIC("06", "<filterref filter='nova-base'/>")
	fieldDefine(t, l, fieldGuest{"gone", "<boot dev='hd'/>", virtioDisk(t, "vda", "") + first + fieldNIC("07", ""), ""})
	virshGateway(t, l, "detach-device", "gone", writeFile(t, "first.xml", first), "--config")
	virtNetboot(t, l, "revert", "gone")
	if got := filters(dumpxml(t, l, "gone", "--inactive")); got != nil {
		t.Errorf("the second interface has the filters %v", got)
	}
}

func fieldFilterGone(t *testing.T, l *lab.Lab) {
	const filter = "field" // any nwfilter of the operator's
	document := "<filter name='" + filter + "'><filterref filter='no-mac-spoofing'/></filter>"
	virsh(t, l, "nwfilter-define", writeFile(t, "new.xml", document))
	fieldDefine(t, l, fieldGuest{"unfiltered", "<boot dev='hd'/>", virtioDisk(t, "vda", "") + fieldNIC("08", "<filterref filter='"+filter+"'/>"), ""})
	virsh(t, l, "nwfilter-undefine", filter)
	for range 2 {
		if out := fieldFails(t, l, "revert", "unfiltered"); !strings.Contains(out, "virsh nwfilter-define") {
			t.Errorf("revert says %q", out)
		}
	}
	fieldStarts(t, l, "unfiltered")
	virsh(t, l, "nwfilter-define", writeFile(t, "filter.xml", document))
	virtNetboot(t, l, "revert", "unfiltered")
	if got := filters(dumpxml(t, l, "unfiltered", "--inactive")); !slices.Equal(got, []string{filter}) {
		t.Errorf("with its nwfilter back the interface has the filters %v", got)
	}
}

func fieldRecordLost(t *testing.T, l *lab.Lab) {
	fieldDefine(t, l, fieldGuest{"lost", "<boot dev='hd'/>", virtioDisk(t, "vda", "") + fieldNIC("09", ""), ""})
	virsh(t, l, "metadata", "lost", "--uri", "urn:virt-netboot:domain:1.0", "--remove", "--config")
	if out := fieldFails(t, l, "revert", "lost"); !strings.Contains(out, "has no undo record: its boot order network, hd") {
		t.Errorf("revert says %q", out)
	}
}

func fieldClone(t *testing.T, l *lab.Lab) {
	fieldDefine(t, l, fieldGuest{"origin", "<boot dev='hd'/>", virtioDisk(t, "vda", "") + fieldNIC("0a", ""), ""})
	virtNetboot(t, l, "revert", "origin")
	origin := dumpxml(t, l, "origin", "--inactive")
	document := strings.NewReplacer(origin.UUID+"</uuid>", "7e1b2a3c-0000-4000-8000-0000000000f1</uuid>",
		"<name>origin<", "<name>clone<", "f1:e1:0a", "f1:e1:0b").Replace(virsh(t, l, "dumpxml", "--inactive", "origin"))
	virshGateway(t, l, "define", writeFile(t, "clone.xml", document))
	t.Cleanup(func() { _, _ = l.Virsh(t.Context(), "undefine", "clone") })
	wantBoots(t, l, "clone", "network", "hd")
	wantBoots(t, l, "origin", "hd")
}

func fieldRNG(t *testing.T, l *lab.Lab) {
	loader := "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader><boot dev='hd'/>"
	g := fieldGuest{"rng", loader, virtioDisk(t, "vda", "") + fieldNIC("0c", ""), ""}
	virshGateway(t, l, "define", writeFile(t, "rng.xml", strings.Replace(g.document(), "machine='pc'", "machine='q35'", 1)))
	t.Cleanup(func() { _, _ = l.Virsh(t.Context(), "undefine", "--nvram", "rng") })
	rngs := func() []libvirtxml.DomainRNG { return dumpxml(t, l, "rng", "--inactive").Devices.RNGs }
	if len(rngs()) != 1 {
		t.Errorf("random number generators: %+v", rngs())
	}
	fieldStarts(t, l, "rng")
	virtNetboot(t, l, "revert", "rng")
	if len(rngs()) != 0 {
		t.Errorf("random number generators after the revert: %+v", rngs())
	}
}

func fieldBootsTwice(t *testing.T, l *lab.Lab) {
	boots := []string{"cdrom", "cdrom", "hd", "hd"}
	os := ""
	for _, b := range boots {
		os += "<boot dev='" + b + "'/>"
	}
	fieldDefine(t, l, fieldGuest{"twice", os, virtioDisk(t, "vda", "") + fieldNIC("0d", ""), ""})
	wantBoots(t, l, "twice", "network", "cdrom", "cdrom", "hd")
	virtNetboot(t, l, "revert", "twice")
	wantBoots(t, l, "twice", boots...)
}

func fieldFirstWithoutROM(t *testing.T, l *lab.Lab) {
	nics := fieldNIC("0e", "<rom enabled='no'/>") + fieldNIC("0f", "")
	fieldDefine(t, l, fieldGuest{"norom", "<boot dev='hd'/>", virtioDisk(t, "vda", "") + nics, ""})
	if diff := cmp.Diff(map[string]int{"net1": 1, "virtio-disk0": 2}, fieldStarts(t, l, "norom")); diff != "" {
		t.Errorf("boot indexes (-want +got):\n%s", diff)
	}
}
