// Package initrd reads the first bytes of a domain's initrd, which tell an iPXE script
// from a real initrd. The path is from a domain document, so it may be anything: a
// FIFO, a device, a directory.
package initrd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/virt-netboot/virt-netboot/internal/bounded"
)

// ErrNotRegular is what ReadHead returns unless the path is a regular file.
var ErrNotRegular = errors.New("not a regular file")

// Timeout is how long reading an initrd may take: the hook has 1.5 seconds for
// everything.
const Timeout = time.Second

// Reader reads initrds. It is safe for concurrent use. New makes one.
type Reader struct{ reads *bounded.Reads }

// New returns a reader that gives up after Timeout.
func New() *Reader { return &Reader{bounded.New(Timeout)} }

// ReadHead returns the first n bytes of the file, fewer when it is shorter. It
// reads regular files only and never waits for a FIFO's writer or for a device, nor
// longer than Timeout for a file server.
func (r *Reader) ReadHead(path string, n int) ([]byte, error) {
	head, err := r.reads.Do(context.Background(), fmt.Sprintf("%q %d", path, n), func(context.Context) ([]byte, error) {
		return readHead(path, n)
	})
	if err != nil {
		return nil, fmt.Errorf("reading initrd %s: %w", path, err)
	}
	return head, nil
}

func readHead(path string, n int) ([]byte, error) {
	// Before the open, because opening a device may already do something.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// And after it, because the path may be another file by then.
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	head := make([]byte, n)
	got, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	return head[:got], nil
}

func regular(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
}
