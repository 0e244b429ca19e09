package resync

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// lock keeps two processes of virt-netboot from working on the files of a directory
// at once. The lock goes with the process, and leaves nothing behind.
func (d *directory) lock() (unlock func(), err error) {
	dir, err := d.Open(".")
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errBusy
	}
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("locking %s: %w", d.path("."), err)
	}
	return func() { dir.Close() }, nil
}
