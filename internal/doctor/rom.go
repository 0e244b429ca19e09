package doctor

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/virt-netboot/virt-netboot/internal/doctor/apparmor"
)

// virtioROM is the option ROM of Nova's default NIC, virtio, in QEMU's machine
// types since 2.0 with both firmwares; the others are named alike.
const virtioROM = "efi-virtio.rom"

// checkROM looks for iPXE where QEMU looks for the ROMs of its NICs, and whether the
// firmware of each domain finds itself in its ROM.
func checkROM(ctx context.Context, n *node) []Result {
	rom, err := n.findROM(ctx)
	switch {
	case errors.Is(err, errNoQEMU):
		return one(failure("apt-get install qemu-system-x86, or dnf install qemu-kvm", "%v", err))
	case errors.Is(err, errNoROM):
		return one(failure("apt-get install ipxe-qemu, or dnf install ipxe-roms-qemu", "%v", err))
	case err != nil:
		return one(unknown(err))
	}
	images, err := n.readROM(rom)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return one(unknown(err))
	case err != nil:
		return one(failure("install the package of "+rom+" again", "%s is damaged: %v", rom, err))
	}
	if unfit := n.checkDomainROMs(ctx); len(unfit) > 0 {
		return unfit
	}
	var firmware []string
	for _, image := range images {
		firmware = append(firmware, image.String())
	}
	return one(ok("%s is for %s", rom, strings.Join(firmware, ", ")))
}

var (
	errNoQEMU = errors.New("there is no QEMU")
	errNoROM  = errors.New("there is none for virtio NICs")
)

// findROM is the path of virtio's option ROM.
func (n *node) findROM(ctx context.Context) (string, error) {
	emulator, dirs, err := n.dataDirs(ctx)
	if err != nil {
		return "", err
	}
	for _, dir := range dirs {
		rom := filepath.Join(dir, virtioROM)
		_, err := os.Stat(n.path(rom))
		if err == nil {
			return rom, nil
		}
		if errors.Is(err, fs.ErrPermission) {
			return "", err
		}
	}
	return "", fmt.Errorf("%w: %s looks for %s in %s", errNoROM, emulator, virtioROM, strings.Join(dirs, ", "))
}

// dataDirs are the directories in which QEMU looks for ROMs.
func (n *node) dataDirs(ctx context.Context) (emulator string, dirs []string, err error) {
	emulators := n.daemon.Emulators
	if len(emulators) == 0 {
		emulators = []string{"qemu-system-x86_64", "/usr/libexec/qemu-kvm", "kvm", "qemu-system-aarch64"}
	}
	for _, emulator := range emulators {
		out, err := n.Run(ctx, emulator, "-L", "help")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
			continue
		}
		if err != nil {
			return "", nil, fmt.Errorf("asking QEMU where it looks for option ROMs: %w", err)
		}
		for line := range bytes.Lines(out) {
			dirs = append(dirs, filepath.Clean(strings.TrimSpace(string(line))))
		}
		return emulator, dirs, nil
	}
	return "", nil, errNoQEMU
}

// checkROMReadable tells whether a guest's QEMU may read its option ROM: it runs
// as a user of its own, and under a profile where libvirt uses one.
func checkROMReadable(ctx context.Context, n *node) []Result {
	rom, err := n.findROM(ctx)
	if err != nil {
		return one(warning("see option-rom", "not checked: there is no option ROM to read"))
	}
	real, err := n.resolve(n.path(rom))
	if err != nil {
		return one(unknown(err))
	}
	if r := n.readableByOthers(real); r.Level != OK {
		return one(r)
	}
	if n.daemonErr != nil {
		return one(warning("start libvirt first", "its mode allows it; libvirt does not answer whether it uses AppArmor or SELinux"))
	}
	switch models := n.daemon.SecurityModels; {
	case slices.Contains(models, "apparmor"):
		return one(n.readableUnderAppArmor(real))
	case slices.Contains(models, "selinux"):
		return one(n.readableUnderSELinux(ctx, real))
	}
	return one(ok("%s; libvirt confines its guests with neither AppArmor nor SELinux", real))
}

// readableByOthers looks at the mode of the file and of the directories above it.
func (h Host) readableByOthers(path string) Result {
	for p, need := path, os.FileMode(0o004); p != "/"; p, need = filepath.Dir(p), 0o001 {
		info, err := os.Stat(h.path(p))
		if err != nil {
			return unknown(err)
		}
		if info.Mode()&need == 0 {
			return failure(fmt.Sprintf("chmod o+%s %s", map[os.FileMode]string{0o004: "r", 0o001: "x"}[need], p),
				"%s has mode %o, so QEMU, which does not run as root, cannot read %s", p, info.Mode().Perm(), path)
		}
	}
	return ok("%s", path)
}

const (
	apparmorDir = "/etc/apparmor.d"
	// The profile that libvirt makes a guest's from, and the file that it
	// includes for an administrator's rules.
	apparmorProfile = "libvirt/TEMPLATE.qemu"
	apparmorLocal   = apparmorDir + "/local/abstractions/libvirt-qemu"
)

func (h Host) readableUnderAppArmor(rom string) Result {
	profile, err := apparmor.Load(h.path(apparmorDir), apparmorProfile)
	if err != nil {
		return unknown(err)
	}
	if !profile.Reads(rom) {
		return failure(fmt.Sprintf("echo '%s/** r,' >> %s; guests that start from then on can read it", filepath.Dir(rom), apparmorLocal),
			"AppArmor's profile for guests does not let them read %s", rom)
	}
	return ok("%s, under AppArmor's profile for guests too", rom)
}

// readableUnderSELinux asks whether the file has the context that the policy
// gives to its path; with it, guests can read it (svirt_t reads usr_t).
func (h Host) readableUnderSELinux(ctx context.Context, rom string) Result {
	out, err := h.Run(ctx, "matchpathcon", "-V", rom)
	text := strings.TrimSpace(string(out))
	if strings.HasSuffix(text, "verified.") {
		return ok("%s, with the SELinux context of the policy", rom)
	}
	if text == "" {
		return unknown(err)
	}
	first, _ := bufio.NewReader(strings.NewReader(text)).ReadString('\n')
	return failure("restorecon -v "+rom, "SELinux: %s", strings.TrimSpace(first))
}
