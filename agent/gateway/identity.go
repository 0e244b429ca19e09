package gateway

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// identity is who a process is to the kernel when it connects to a unix socket.
type identity struct {
	uid, gid uint32
	groups   []uint32 // the supplementary groups, in order
}

func (i identity) equal(o identity) bool {
	return i.uid == o.uid && i.gid == o.gid && slices.Equal(i.groups, o.groups)
}

// peer is the process at the other end of a unix socket when it connected.
type peer struct {
	identity
	pid int32
}

// peerOf returns who is at the other end of fd (SO_PEERCRED and SO_PEERGROUPS,
// unix(7)).
func peerOf(fd int) (peer, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return peer{}, fmt.Errorf("asking the kernel who the client is: %w", err)
	}
	groups, err := peerGroups(fd)
	if err != nil {
		return peer{}, fmt.Errorf("asking the kernel for the client's groups: %w", err)
	}
	return peer{identity{cred.Uid, cred.Gid, groups}, cred.Pid}, nil
}

func peerGroups(fd int) ([]uint32, error) {
	groups := make([]uint32, 32)
	for {
		const gidSize = 4
		size := uint32(len(groups) * gidSize)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch errno {
		case 0:
			groups = groups[:size/gidSize]
			slices.Sort(groups)
			return groups, nil
		case unix.ERANGE: // size is what it takes
			groups = make([]uint32, size/gidSize)
		default:
			return nil, errno
		}
	}
}

// ownIdentity is the calling thread's.
func ownIdentity() (identity, error) {
	gids, err := unix.Getgroups()
	if err != nil {
		return identity{}, fmt.Errorf("asking the kernel for the own groups: %w", err)
	}
	groups := make([]uint32, 0, len(gids))
	for _, g := range gids {
		groups = append(groups, uint32(g))
	}
	slices.Sort(groups)
	return identity{uint32(os.Geteuid()), uint32(os.Getegid()), groups}, nil
}

// as calls f on a thread that is who to the kernel, and waits for it. It needs
// CAP_SETUID and CAP_SETGID. f must not start goroutines that count on it.
func as(who identity, f func() error) error {
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and its changed
		// identity with it.
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The main thread does not end, and is the one that the rest of the
			// system takes for the process. While it is locked here, the other
			// goroutine is on another one.
			done <- as(who, f)
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
// would change them in all threads. The real and saved ids stay, so that a client
// gets no right over this process, to signal it for one.
func become(who identity) error {
	const keep = ^uintptr(0)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(who.groups)),
		uintptr(unsafe.Pointer(unsafe.SliceData(who.groups))), 0); errno != 0 {
		return fmt.Errorf("taking on the client's groups (this needs CAP_SETGID): %w", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, keep, uintptr(who.gid), keep); errno != 0 {
		return fmt.Errorf("taking on the client's gid %d (this needs CAP_SETGID): %w", who.gid, errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, keep, uintptr(who.uid), keep); errno != 0 {
		return fmt.Errorf("taking on the client's uid %d (this needs CAP_SETUID): %w", who.uid, errno)
	}
	if who.uid != 0 {
		if err := dropCapabilities(); err != nil {
			return err
		}
	}
	now, err := ownIdentity()
	if err != nil {
		return err
	}
	if !now.equal(who) {
		return fmt.Errorf("taking on the client's identity: the kernel says uid %d gid %d instead of uid %d gid %d",
			now.uid, now.gid, who.uid, who.gid)
	}
	return nil
}

// dropCapabilities takes the effective capabilities of the calling thread. Where root
// has become another user the kernel did, and the service's SystemCallFilter= has no
// capset(2); but the agent may have its capabilities without being root.
func dropCapabilities() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var now, none [2]unix.CapUserData
	if err := unix.Capget(&head, &now[0]); err != nil {
		return fmt.Errorf("asking the kernel for the capabilities left, to connect as the client: %w", err)
	}
	if now[0].Effective|now[1].Effective == 0 {
		return nil
	}
	if err := unix.Capset(&head, &none[0]); err != nil {
		return fmt.Errorf("dropping capabilities to connect as the client: %w", err)
	}
	return nil
}
