// Package hungfs is a file system that never answers, for tests: what looks at one
// of its files hangs, as it does where a file server is gone. It needs root.
package hungfs

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Beside runs f where everything in dir hangs: a FUSE file system whose server does
// not answer is mounted there. The mount is seen only from f's thread and what that
// starts, and by others under the root that f is given.
func Beside(dir string, f func(root string) error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its mounts
		result <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
				return fmt.Errorf("unshare: %w", err)
			}
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				return fmt.Errorf("making mounts private: %w", err)
			}
			server, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer server.Close()
			options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", server.Fd())
			if err := unix.Mount("hung", dir, "fuse", 0, options); err != nil {
				return fmt.Errorf("mounting on %s: %w", dir, err)
			}
			return f(fmt.Sprintf("/proc/self/task/%d/root", unix.Gettid()))
		}()
	}()
	return <-result
}
