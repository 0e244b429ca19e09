package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/internal/optionrom"
)

// romUse is an option ROM that the firmware of a domain looks into at its next start.
type romUse struct {
	domain string
	mac    string
	file   string // as the domain names it, or QEMU's for the model
	model  string
	image  optionrom.Image // that the firmware can run
}

// romsOf are the option ROMs of the interfaces that a domain boots from.
func romsOf(d libvirtxml.Domain) []romUse {
	image, known := firmwareOf(d)
	if !known || d.Devices == nil {
		return nil
	}
	var uses []romUse
	for _, nic := range bootInterfaces(d) {
		use := romUse{domain: d.Name, image: image}
		if nic.MAC != nil {
			use.mac = nic.MAC.Address
		}
		if nic.Model != nil {
			use.model = nic.Model.Type
			use.file = modelROM(nic.Model.Type)
		}
		if rom := nic.ROM; rom != nil {
			if rom.Bar == "off" || rom.Enabled == "no" {
				continue // a warning of status
			}
			if rom.File != nil && *rom.File != "" {
				use.file = *rom.File
			}
		}
		if use.file != "" {
			uses = append(uses, use)
		}
	}
	return uses
}

// firmwareOf is the image that the domain's firmware runs, where that is known.
func firmwareOf(d libvirtxml.Domain) (optionrom.Image, bool) {
	if d.OS == nil || d.OS.Type == nil {
		return optionrom.Image{}, false
	}
	uefi := d.OS.Firmware == "efi" || d.OS.Loader != nil && d.OS.Loader.Type == "pflash"
	if !uefi && d.OS.Loader != nil && d.OS.Loader.Path != "" {
		return optionrom.Image{}, false // any firmware
	}
	image, known := map[string]optionrom.Image{"x86_64": optionrom.UEFIX64, "i686": optionrom.UEFIIA32}[d.OS.Type.Arch]
	if !uefi {
		image = optionrom.BIOS
	}
	return image, known
}

// bootInterfaces are those that the definition gives a place in its boot order; with
// <boot dev='network'/> that is the first.
func bootInterfaces(d libvirtxml.Domain) []libvirtxml.DomainInterface {
	nics := d.Devices.Interfaces
	if slices.ContainsFunc(d.OS.BootDevices, func(b libvirtxml.DomainBootDevice) bool { return b.Dev == "network" }) {
		return nics[:min(1, len(nics))]
	}
	return slices.DeleteFunc(slices.Clone(nics), func(nic libvirtxml.DomainInterface) bool { return nic.Boot == nil })
}

// modelROM is the name of QEMU's option ROM for a model, with both firmwares; "" for one
// that has none.
func modelROM(model string) string {
	switch model {
	case "virtio", "virtio-transitional", "virtio-non-transitional":
		return virtioROM
	case "e1000", "e1000e", "ne2k_pci", "pcnet", "rtl8139", "vmxnet3":
		return "efi-" + model + ".rom"
	}
	return ""
}

// checkDomainROMs holds the option ROMs against the firmware of the domains that boot
// from them. It has a result for each ROM that a firmware finds nothing in.
func (n *node) checkDomainROMs(ctx context.Context) []Result {
	conn, err := n.Libvirt(ctx, n.upstream())
	if err != nil {
		return nil // the check of libvirt says so
	}
	defer conn.Close()
	domains, err := conn.Domains(ctx)
	if err != nil {
		return one(unknown(err))
	}
	var uses []romUse
	for _, d := range domains {
		state, err := conn.ReadListed(ctx, d)
		if libvirt.IsNotFound(err) {
			continue // it has gone
		}
		if err != nil {
			return one(unknown(err))
		}
		document := state.Inactive
		if document == nil {
			document = state.Live
		}
		var doc libvirtxml.Domain
		if err := doc.Unmarshal(string(document)); err != nil {
			continue // what cannot be read is a matter of check reconcile
		}
		uses = append(uses, romsOf(doc)...)
	}
	return n.judgeROMs(ctx, uses)
}

func (n *node) judgeROMs(ctx context.Context, uses []romUse) []Result {
	type need struct {
		file  string
		image optionrom.Image
	}
	_, dirs, err := n.dataDirs(ctx)
	if err != nil {
		return nil // the ROM of QEMU itself was looked for before
	}
	var all []Result
	judged := make(map[need]bool)
	for _, use := range uses {
		use.file = n.romPath(use.file, dirs)
		if key := (need{use.file, use.image}); !judged[key] {
			judged[key] = true
			if r := n.judgeROM(use); r.Level != OK {
				all = append(all, r)
			}
		}
	}
	return all
}

// romPath is where QEMU finds a ROM (qemu_find_file in its util/datadir.c).
func (n *node) romPath(file string, dirs []string) string {
	if strings.Contains(file, "/") {
		return file
	}
	for _, dir := range dirs {
		if path := filepath.Join(dir, file); n.exists(path) {
			return path
		}
	}
	return file
}

// judgeROM tells whether the firmware of a domain finds in a ROM what it can run.
func (n *node) judgeROM(use romUse) Result {
	images, err := n.readROM(use.file)
	who := fmt.Sprintf("domain %s boots from interface %s with the option ROM %s", use.domain, use.mac, use.file)
	remedy := fmt.Sprintf("virsh edit %s: a <rom file> with an image for %s, or none", use.domain, use.image)
	if !strings.Contains(use.file, "/") || strings.HasPrefix(filepath.Base(use.file), "efi-") {
		remedy = "install iPXE's option ROMs for QEMU again (ipxe-qemu, ipxe-roms-qemu)"
	}
	var names []string
	for _, image := range images {
		names = append(names, image.String())
	}
	switch {
	case slices.Contains(images, use.image):
		return ok("%s", who)
	case errors.Is(err, fs.ErrPermission):
		return unknown(err)
	case err != nil:
		return failure(remedy, "%s, of which its firmware cannot run an image: %v", who, err)
	case use.image != optionrom.BIOS && modelROM(use.model) == virtioROM:
		// OVMF has a driver of its own for virtio.
		return warning(remedy, "%s, which has nothing for %s but for %s: the firmware's own client asks the DHCP server, and not iPXE", who, use.image, strings.Join(names, ", "))
	}
	return failure(remedy, "%s, which has nothing for %s but for %s: it sends no frame", who, use.image, strings.Join(names, ", "))
}

// readROM reads the images of a ROM.
func (h Host) readROM(file string) ([]optionrom.Image, error) {
	info, err := os.Stat(h.path(file))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", file)
	}
	f, err := os.Open(h.path(file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return optionrom.Read(f)
}
