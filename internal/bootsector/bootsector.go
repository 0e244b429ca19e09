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
	looks   map[request]*look // under way
}

type request struct {
	disk domainxml.DiskSource
	n    int
}

// look is one reading of a disk; head and err are set when done is closed.
type look struct {
	done chan struct{}
	head []byte
	err  error
}

// New returns a reader that gives up after Timeout.
func New() *Reader { return &Reader{timeout: Timeout, looks: make(map[request]*look)} }

// Read returns the first n bytes of a raw or qcow2 disk, fewer when it is smaller.
// It reads regular files and block devices only, and never waits longer than
// Timeout: a server of a network file system that is gone holds whoever asks for
// one of its files, so the asking is left behind. Who asks for a disk that is being
// read waits for the same answer, so that no more than one is held.
func (r *Reader) Read(disk domainxml.DiskSource, n int) ([]byte, error) {
	l := r.look(request{disk, n})
	timer := time.NewTimer(r.timeout)
	defer timer.Stop()
	var head []byte
	var err error = context.DeadlineExceeded
	select {
	case <-l.done:
		head, err = l.head, l.err
	case <-timer.C:
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v; is its storage there?", r.timeout)
	}
	if err != nil {
		return nil, fmt.Errorf("reading disk %s: %w", disk.Path, err)
	}
	return head, nil
}

// look returns the look that is under way, or begins one.
func (r *Reader) look(q request) *look {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.looks[q]; l != nil {
		return l
	}
	l := &look{done: make(chan struct{})}
	r.looks[q] = l
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
		defer cancel()
		l.head, l.err = read(ctx, q.disk, q.n)
		r.mu.Lock()
		delete(r.looks, q)
		r.mu.Unlock()
		close(l.done)
	}()
	return l
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
