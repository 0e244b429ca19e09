package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"libvirt.org/go/libvirtxml"
)

// diskSize is enough for a disk that nothing is installed on.
const diskSize = "1M"

// Guest is a domain whose bridges, disks and filters are there.
type Guest struct {
	Name, UUID string
	// Document is the domain XML as its author wrote it, and File a file with it.
	Document, File string
	// Domain is the same, parsed.
	Domain libvirtxml.Domain
}

// NovaGuest prepares a domain that Nova wrote: NAME.xml of NovaRows. Its nwfilters are
// short ones.
func (l *Lab) NovaGuest(ctx context.Context, name string) (*Guest, error) {
	dir, err := NovaRows()
	if err != nil {
		return nil, err
	}
	document, err := os.ReadFile(filepath.Join(dir, name+".xml"))
	if err != nil {
		return nil, fmt.Errorf("reading a domain of Nova's: %w", err)
	}
	var domain libvirtxml.Domain
	if err := domain.Unmarshal(string(document)); err != nil {
		return nil, fmt.Errorf("reading a domain of Nova's: %w", err)
	}
	for _, nic := range domain.Devices.Interfaces {
		if nic.FilterRef == nil {
			continue
		}
		if err := l.DefineShortFilter(ctx, nic.FilterRef.Filter); err != nil {
			return nil, err
		}
	}
	return l.Prepare(ctx, string(document))
}

// NovaRows is the directory with the domains that Nova 26.2.2 wrote.
func NovaRows() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, "domainxml/testdata/corpus/nova"), nil
}

// Prepare makes everything that a domain document names and libvirt does not
// make itself: bridges, nwfilters, disks, a kernel, directories.
func (l *Lab) Prepare(ctx context.Context, document string) (*Guest, error) {
	g := &Guest{Document: document}
	if err := g.Domain.Unmarshal(document); err != nil {
		return nil, fmt.Errorf("preparing a guest: %w", err)
	}
	g.Name, g.UUID = g.Domain.Name, g.Domain.UUID
	g.File = filepath.Join(layersDir, g.Name+".xml")
	if err := os.WriteFile(g.File, []byte(document), 0o644); err != nil {
		return nil, err
	}
	if err := g.prepareKernel(); err != nil {
		return nil, err
	}
	if err := l.prepareDevices(ctx, g.Domain.Devices); err != nil {
		return nil, fmt.Errorf("preparing guest %s: %w", g.Name, err)
	}
	return g, nil
}

// prepareKernel writes a kernel that says on the serial line that it runs.
func (g *Guest) prepareKernel() error {
	os := g.Domain.OS
	if os == nil || os.Kernel == "" {
		return nil
	}
	if err := writeNew(os.Kernel, Kernel()); err != nil {
		return err
	}
	if os.Initrd == "" {
		return nil
	}
	return writeNew(os.Initrd, []byte("an initrd that no kernel reads\n"))
}

func (l *Lab) prepareDevices(ctx context.Context, devices *libvirtxml.DomainDeviceList) error {
	if devices == nil {
		return nil
	}
	for _, disk := range devices.Disks {
		if err := l.prepareDisk(ctx, disk); err != nil {
			return err
		}
	}
	for _, nic := range devices.Interfaces {
		if nic.Source != nil && nic.Source.Bridge != nil {
			if err := l.AddBridge(ctx, nic.Source.Bridge.Bridge); err != nil {
				return err
			}
		}
		if nic.FilterRef != nil {
			if err := l.DefineFilter(ctx, nic.FilterRef.Filter); err != nil {
				return err
			}
		}
	}
	for _, serial := range devices.Serials {
		if serial.Source != nil && serial.Source.File != nil {
			if err := makeDirs(0o755, filepath.Dir(serial.Source.File.Path)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Lab) prepareDisk(ctx context.Context, disk libvirtxml.DomainDisk) error {
	if disk.Source == nil || disk.Source.File == nil {
		return nil
	}
	path, format := disk.Source.File.File, "raw"
	if disk.Driver != nil && disk.Driver.Type != "" {
		format = disk.Driver.Type
	}
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := makeDirs(0o755, filepath.Dir(path)); err != nil {
		return err
	}
	_, err := l.Command(ctx, "qemu-img", "create", "-q", "-f", format, path, diskSize)
	return err
}

func writeNew(path string, content []byte) error {
	if err := makeDirs(0o755, filepath.Dir(path)); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}

// QEMUPID is the process of a running domain.
func (l *Lab) QEMUPID(domain string) (int, error) {
	text, err := os.ReadFile(filepath.Join("/run/libvirt/qemu", domain+".pid"))
	if err != nil {
		return 0, fmt.Errorf("looking for the QEMU of %s: %w", domain, err)
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// QEMUCommandLine is the command line of a running domain's QEMU, as the kernel
// has it.
func (l *Lab) QEMUCommandLine(domain string) ([]string, error) {
	pid, err := l.QEMUPID(domain)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return nil, fmt.Errorf("reading the command line of %s: %w", domain, err)
	}
	return strings.Split(string(bytes.TrimRight(text, "\x00")), "\x00"), nil
}
