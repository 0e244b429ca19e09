package gateway

import (
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/internal/credentials"
)

// peer is the process at the other end of a unix socket when it connected.
type peer struct {
	credentials.Credentials
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
	return peer{credentials.Credentials{UID: cred.Uid, GID: cred.Gid, Groups: groups}, cred.Pid}, nil
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
