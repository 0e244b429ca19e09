// Package bootsector reads the first sectors of a guest's disk, as the guest sees
// them, a qcow2 disk with QEMU's own qemu-img:
//
//	sectors := bootsector.New()
//	head, err := sectors.Read(domainxml.DiskSource{Path: path, Format: "qcow2"}, 512)
//
// The format of a disk is the one that the domain's document names, and that of a
// backing file the one that the file on top of it names. It is never guessed from the
// content: a guest could then write a header that leads to any file of the host.
//
// Every file is opened here, with the rights of the user that owns the disk, and qemu-img
// gets descriptors and no path of a disk's.
package bootsector

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/bounded"
)

// Timeout is how long reading a disk may take: the hook has 1.5 seconds for everything.
const Timeout = time.Second

// Reader reads disks. It is safe for concurrent use. New makes one.
type Reader struct{ reads *bounded.Reads }

// New returns a reader that gives up after Timeout.
func New() *Reader { return &Reader{bounded.New(Timeout)} }

// Read returns the first n bytes of a raw or qcow2 disk, fewer when it is smaller.
// It reads regular files and block devices only, and never waits longer than
// Timeout.
func (r *Reader) Read(disk domainxml.DiskSource, n int) ([]byte, error) {
	return r.ReadContext(context.Background(), disk, n)
}

// ReadContext does what Read does until the context is done. qemu-img ends then.
func (r *Reader) ReadContext(ctx context.Context, disk domainxml.DiskSource, n int) ([]byte, error) {
	head, err := r.reads.Do(ctx, fmt.Sprintf("%q %q %d", disk.Path, disk.Format, n), func(ctx context.Context) ([]byte, error) {
		return read(ctx, disk, n)
	})
	if err != nil {
		return nil, fmt.Errorf("reading disk %s: %w", disk.Path, err)
	}
	return head, nil
}

func read(ctx context.Context, disk domainxml.DiskSource, n int) ([]byte, error) {
	c, err := openChain(ctx, disk)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if top := c.layers[0]; top.format == raw {
		return io.ReadAll(io.NewSectionReader(top.file, 0, int64(n)))
	}
	return c.copyHead(ctx, n)
}
