// Package bootsector reads the first sectors of a guest's disk, as the guest sees
// them, with QEMU's own qemu-img:
//
//	sectors := bootsector.New()
//	head, err := sectors.Read(domainxml.DiskSource{Path: path, Format: "qcow2"}, 512)
//
// The format of a disk is the one that the domain's document names, and that of a
// backing file the one that the file on top of it names: neither is ever guessed
// from what is in it, since a guest could then write a header that leads to any
// file of the host.
package bootsector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// Timeout is how long a look at a disk may take: the hook has 1.5 seconds for
// everything.
const Timeout = time.Second

// Reader reads disks. It is safe for concurrent use. New makes one.
type Reader struct {
	timeout time.Duration
	mu      sync.Mutex
	busy    map[string]bool // disks that are being read
}

// New returns a reader that gives up after Timeout.
func New() *Reader { return &Reader{timeout: Timeout, busy: make(map[string]bool)} }

// Read returns the first n bytes of a raw or qcow2 disk, fewer when it is smaller.
// It reads regular files and block devices only, and never waits longer than
// Timeout: a server of a network file system that is gone holds whoever asks for
// one of its files, so the asking is left behind, and such a disk is not asked for
// again before it has answered.
func (r *Reader) Read(disk domainxml.DiskSource, n int) ([]byte, error) {
	if !r.begin(disk.Path) {
		return nil, fmt.Errorf("reading disk %s: an earlier look at it still waits; is its storage there?", disk.Path)
	}
	type answer struct {
		head []byte
		err  error
	}
	answers := make(chan answer, 1)
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
	go func() {
		defer cancel()
		defer r.end(disk.Path)
		head, err := read(ctx, disk, n)
		answers <- answer{head, err}
	}()
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		select {
		case a = <-answers: // it was done just then
		default:
			a.err = context.Cause(ctx)
		}
	}
	if errors.Is(a.err, context.DeadlineExceeded) {
		a.err = fmt.Errorf("no answer within %v; is its storage there?", r.timeout)
	}
	if a.err != nil {
		return nil, fmt.Errorf("reading disk %s: %w", disk.Path, a.err)
	}
	return a.head, nil
}

func (r *Reader) begin(path string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[path] {
		return false
	}
	r.busy[path] = true
	return true
}

func (r *Reader) end(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, path)
}

func read(ctx context.Context, disk domainxml.DiskSource, n int) ([]byte, error) {
	if err := checkChain(ctx, disk); err != nil {
		return nil, err
	}
	return copyHead(ctx, disk, n)
}

// checkFile refuses what would block or act when it is opened, such as a FIFO or a
// terminal.
func checkFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		return err
	}
	if mode := info.Mode(); !mode.IsRegular() && mode.Type() != fs.ModeDevice {
		return errors.New("neither a regular file nor a block device")
	}
	return nil
}
