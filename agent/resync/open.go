package resync

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxSize keeps a path that is no such file from being read for ever. Nova's
// largest template has 8 KiB.
const maxSize = 1 << 20

// emptyFor is how long an empty file is taken for one that is being written.
const emptyFor = 750 * time.Millisecond

// errBusy says that a file may not be complete yet.
var errBusy = errors.New("being written by another program")

// identity tells one state of a file from another without reading it.
type identity struct {
	device, inode uint64
	size, mtime   int64 // mtime in nanoseconds
}

func identityOf(info fs.FileInfo) identity {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}
	}
	return identity{s.Dev, s.Ino, s.Size, s.Mtim.Nano()}
}

// openRegular opens a file of a directory to read it, follows no symlink and waits for
// nothing. It looks before the open, since to open a device may already do something,
// and after it, since another file may have taken the name.
func openRegular(dir *directory, name string) (*os.File, error) {
	info, err := dir.Lstat(name)
	if err != nil {
		return nil, fmt.Errorf("looking at %s: %w", dir.path(name), err)
	}
	if !info.Mode().IsRegular() {
		return nil, irregular(dir, name)
	}
	f, err := dir.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", dir.path(name), err)
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = irregular(dir, name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func irregular(dir *directory, name string) error {
	return fmt.Errorf("%s is no regular file", dir.path(name))
}

// readAll reads a file, and refuses one that is too large for one of Nova's.
func readAll(f *os.File) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(content) > maxSize {
		err = fmt.Errorf("%s is larger than %d KiB, so it is no such file", f.Name(), maxSize>>10)
	}
	return content, err
}

// snapshot is a file with its content at one moment. While it is open the
// kernel tells of any program that opens the file for writing.
type snapshot struct {
	*os.File
	dir      *directory
	name     string // in dir
	identity identity
	content  []byte
	leased   bool
}

// openSnapshot reads a whole file, with errBusy when a program has it open for
// writing or has just made it empty.
func openSnapshot(dir *directory, name string) (*snapshot, error) {
	f, err := openRegular(dir, name)
	if err != nil {
		return nil, err
	}
	s := &snapshot{File: f, dir: dir, name: name}
	if err := s.read(); err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

func (s *snapshot) read() error {
	if err := s.lease(); err != nil {
		return err
	}
	info, err := s.Stat()
	if err != nil {
		return err
	}
	s.identity = identityOf(info)
	if s.identity.size == 0 && time.Since(time.Unix(0, s.identity.mtime)).Abs() < emptyFor {
		return errBusy
	}
	s.content, err = readAll(s.File)
	return err
}

// lease takes a read lease (F_SETLEASE in fcntl(2)), which the kernel refuses
// while the file is open for writing. File systems without leases, and files of
// another user where CAP_LEASE is missing, go without.
func (s *snapshot) lease() error {
	_, err := unix.FcntlInt(s.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	if errors.Is(err, unix.EAGAIN) {
		return errBusy
	}
	s.leased = err == nil
	return nil
}

// undisturbed returns errBusy when a program has opened the file for writing
// since, has changed it, or has put another in its place.
func (s *snapshot) undisturbed() error {
	if s.leased {
		lease, err := unix.FcntlInt(s.Fd(), unix.F_GETLEASE, 0)
		if err != nil || lease != unix.F_RDLCK {
			return errBusy
		}
	}
	info, err := s.dir.Lstat(s.name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && identityOf(info) != s.identity {
		return errBusy
	}
	return err
}
