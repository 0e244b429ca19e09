// Package credentials lets a thread be another user to the kernel (credentials(7)),
// so that what it does goes as far as that user's own rights:
//
//	err := credentials.As(who, func() error { return os.Remove(path) })
package credentials

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Credentials are who a thread is to the kernel.
type Credentials struct {
	UID, GID uint32
	Groups   []uint32 // the supplementary groups, in order
}

// Equal reports whether both are the same.
func (c Credentials) Equal(o Credentials) bool {
	return c.UID == o.UID && c.GID == o.GID && slices.Equal(c.Groups, o.Groups)
}

// Own are the calling thread's.
func Own() (Credentials, error) {
	gids, err := unix.Getgroups()
	if err != nil {
		return Credentials{}, fmt.Errorf("asking the kernel for the own groups: %w", err)
	}
	groups := make([]uint32, 0, len(gids))
	for _, g := range gids {
		groups = append(groups, uint32(g))
	}
	slices.Sort(groups)
	return Credentials{uint32(os.Geteuid()), uint32(os.Getegid()), groups}, nil
}

// nogroup is Debian's group of that name, and the kernel's for a group that it cannot
// tell (/proc/sys/kernel/overflowgid).
const nogroup = 65534

// OfUser are those that a user has after a login. A uid that is no user of this
// system, such as one of a container's, is in no group.
func OfUser(uid uint32) (Credentials, error) {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if errors.As(err, new(user.UnknownUserIdError)) {
		return Credentials{UID: uid, GID: nogroup}, nil
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("looking up uid %d: %w", uid, err)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return Credentials{}, fmt.Errorf("looking up the groups of uid %d: %w", uid, err)
	}
	c := Credentials{UID: uid}
	if c.GID, err = number(u.Gid); err != nil {
		return Credentials{}, err
	}
	for _, id := range ids {
		group, err := number(id)
		if err != nil {
			return Credentials{}, err
		}
		c.Groups = append(c.Groups, group)
	}
	slices.Sort(c.Groups)
	return c, nil
}

func number(id string) (uint32, error) {
	n, err := strconv.ParseUint(id, 10, 32)
	return uint32(n), err
}

// As calls f on a thread that is who to the kernel, and waits for it. It needs
// CAP_SETUID and CAP_SETGID. f must not start goroutines that count on it.
func As(who Credentials, f func() error) error {
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and its changed
		// identity with it.
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The main thread does not end, and is the one that the rest of the
			// system takes for the process. While it is locked here, the other
			// goroutine is on another one.
			done <- As(who, f)
			runtime.UnlockOSThread()
			return
		}
		if err := become(who); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// become changes the effective ids of the calling thread alone: package syscall
// would change them in all threads. The real and saved ids stay, so that the user
// gets no right over this process, to signal it for one.
func become(who Credentials) error {
	const keep = ^uintptr(0)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(who.Groups)),
		uintptr(unsafe.Pointer(unsafe.SliceData(who.Groups))), 0); errno != 0 {
		return fmt.Errorf("taking on the groups of uid %d (this needs CAP_SETGID): %w", who.UID, errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, keep, uintptr(who.GID), keep); errno != 0 {
		return fmt.Errorf("taking on gid %d (this needs CAP_SETGID): %w", who.GID, errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, keep, uintptr(who.UID), keep); errno != 0 {
		return fmt.Errorf("taking on uid %d (this needs CAP_SETUID): %w", who.UID, errno)
	}
	if who.UID != 0 {
		if err := dropCapabilities(who); err != nil {
			return err
		}
	}
	now, err := Own()
	if err != nil {
		return err
	}
	if !now.Equal(who) {
		return fmt.Errorf("taking on another identity: the kernel says uid %d gid %d instead of uid %d gid %d",
			now.UID, now.GID, who.UID, who.GID)
	}
	return nil
}

// dropCapabilities takes the effective capabilities of the calling thread. Where root
// has become another user the kernel did, and the service's SystemCallFilter= has no
// capset(2); but the agent may have its capabilities without being root.
func dropCapabilities(who Credentials) error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var now, none [2]unix.CapUserData
	if err := unix.Capget(&head, &now[0]); err != nil {
		return fmt.Errorf("asking the kernel for the capabilities left to uid %d: %w", who.UID, err)
	}
	if now[0].Effective|now[1].Effective == 0 {
		return nil
	}
	if err := unix.Capset(&head, &none[0]); err != nil {
		return fmt.Errorf("dropping the capabilities of uid %d: %w", who.UID, err)
	}
	return nil
}
