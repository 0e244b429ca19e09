package bootsector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/credentials"
)

// The formats that are read.
const (
	raw   = "raw"
	qcow2 = "qcow2"
)

// maxChain is how many files a chain of backing files may have.
const maxChain = 16

// chain is a disk and the files that back it, one after the other, each open: what
// becomes of a path in between does not matter.
type chain struct {
	layers []layer
	// owner is the user that owns the disk, whose rights all of it is opened and read
	// with. A malicious disk then gets its reader no further than its own QEMU. It is
	// nil for users other than root, who have their own.
	owner *credentials.Credentials
}

// layer is a file of a chain.
type layer struct {
	file   *os.File
	format string
	device bool // a block device
}

// openChain opens a disk and what backs it. It opens no file of another machine, and
// none whose format would have to be guessed.
func openChain(ctx context.Context, disk domainxml.DiskSource) (c *chain, err error) {
	c = &chain{}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	for range maxChain {
		l, err := c.open(disk)
		if err != nil {
			return c, err
		}
		c.layers = append(c.layers, l)
		if l.format == raw {
			return c, nil
		}
		info, err := c.inspect(ctx, l)
		switch {
		case err != nil:
			return c, err
		case info.Specific.Data.DataFile != "":
			return c, fmt.Errorf("its content is in another file, %s", info.Specific.Data.DataFile)
		case info.Backing == "":
			return c, nil
		case info.BackingFormat == "":
			return c, fmt.Errorf("its backing file %s has no format in the header (qemu-img rebase -u -F sets it)", info.Backing)
		}
		disk = domainxml.DiskSource{Path: resolve(disk.Path, info.Backing), Format: info.BackingFormat}
	}
	return c, fmt.Errorf("more than %d files back one another", maxChain)
}

// resolve is where QEMU finds a backing file (path_combine in QEMU's block.c). One with
// a protocol, such as nbd:, stays as it is.
func resolve(disk, backing string) string {
	if path.IsAbs(backing) || strings.Contains(strings.SplitN(backing, "/", 2)[0], ":") {
		return backing
	}
	return path.Join(path.Dir(disk), backing)
}

// open opens a file, as the owner of the first of the chain. Files that would block or
// act when opened, such as a FIFO or a terminal, are refused before that.
func (c *chain) open(disk domainxml.DiskSource) (l layer, err error) {
	switch {
	case !path.IsAbs(disk.Path):
		return l, fmt.Errorf("%q is not a file of this machine", disk.Path)
	case disk.Format != raw && disk.Format != qcow2:
		return l, fmt.Errorf("format %s is neither raw nor qcow2", disk.Format)
	}
	place := -1 // a descriptor of the file that is not open for reading
	defer func() { unix.Close(place) }()
	var s unix.Stat_t
	err = c.asOwner(func() (err error) {
		if place, err = unix.Open(disk.Path, unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Fstat(place, &s)
	})
	kind := s.Mode & unix.S_IFMT
	switch {
	case err != nil:
		return l, err
	case kind != unix.S_IFREG && kind != unix.S_IFBLK:
		return l, errors.New("neither a regular file nor a block device")
	}
	if len(c.layers) == 0 && os.Geteuid() == 0 {
		c.owner = &credentials.Credentials{UID: s.Uid, GID: s.Gid}
	}
	var fd int
	err = c.asOwner(func() (err error) {
		fd, err = unix.Open(fmt.Sprintf("/proc/self/fd/%d", place), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return l, err
	}
	return layer{os.NewFile(uintptr(fd), disk.Path), disk.Format, kind == unix.S_IFBLK}, nil
}

func (c *chain) asOwner(f func() error) error {
	if c.owner == nil {
		return f()
	}
	return credentials.As(*c.owner, f)
}

// credential is the owner for a process.
func (c *chain) credential() *syscall.Credential {
	if c.owner == nil {
		return nil
	}
	return &syscall.Credential{Uid: c.owner.UID, Gid: c.owner.GID}
}

func (c *chain) files() []*os.File {
	files := make([]*os.File, len(c.layers))
	for i, l := range c.layers {
		files[i] = l.file
	}
	return files
}

func (c *chain) close() {
	for _, l := range c.layers {
		l.file.Close()
	}
}

// node is a file for QEMU (BlockdevOptions in QEMU's qapi/block-core.json). It names
// what backs it, so that the name in the file's header does not count.
type node struct {
	Driver string `json:"driver"`
	File   struct {
		Driver   string `json:"driver"`
		Filename string `json:"filename"`
	} `json:"file"`
	Backing *node `json:"backing"`
}

// name is the chain as a file name of QEMU's, with its files from a descriptor on.
func (c *chain) name(fd int) (string, error) {
	var top *node
	for i := len(c.layers) - 1; i >= 0; i-- {
		n := &node{Driver: c.layers[i].format, Backing: top}
		n.File.Driver, n.File.Filename = "file", descriptor(fd+i)
		if c.layers[i].device {
			n.File.Driver = "host_device"
		}
		top = n
	}
	text, err := json.Marshal(top)
	return "json:" + string(text), err
}

func descriptor(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }
