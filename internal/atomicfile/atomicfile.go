// Package atomicfile replaces files so that a reader, and a power
// failure, finds the old content or the new and nothing in between. Owner, mode,
// ACL and security context are taken over from a file; known libraries for the
// same (renameio, natefinch/atomic, moby/sys/atomicwriter) keep the mode at most.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Write makes name, in the directory, a file with the content, and with the owner,
// mode and extended attributes of the open file like. It follows no symlink: one at
// name is replaced.
//
// Only root can give a file away. What another user writes is that user's own, with
// the group of like where the user is in it; else the group may do what all may.
//
// ready is asked just before the new file takes the name; its error stops that.
// With any error what was at name is untouched. The result is the new file's.
func Write(dir *os.Root, name string, content []byte, like *os.File, ready func() error) (fs.FileInfo, error) {
	return writer{sync: (*os.File).Sync}.write(dir, name, content, like, ready)
}

// writer is Write with another way to have a file or a directory on the disk.
type writer struct{ sync func(*os.File) error }

func (w writer) write(dir *os.Root, name string, content []byte, like *os.File, ready func() error) (fs.FileInfo, error) {
	temporary := "." + name + ".virt-netboot-new"
	info, err := w.create(dir, temporary, content, like)
	if err == nil {
		err = ready()
	}
	if err == nil {
		err = dir.Rename(temporary, name)
	}
	if err != nil {
		_ = dir.Remove(temporary)
		return nil, fmt.Errorf("writing %s: %w", filepath.Join(dir.Name(), name), err)
	}
	if err := w.syncDirectory(dir); err != nil {
		return info, fmt.Errorf("writing %s to the disk: %w", filepath.Join(dir.Name(), name), err)
	}
	return info, nil
}

// create writes a file that is complete, on the disk and like the other one.
// One that was left over by a process that was killed is removed first.
func (w writer) create(dir *os.Root, name string, content []byte, like *os.File) (fs.FileInfo, error) {
	if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// The content first: a write clears set-user-id bits where the writer is not root.
	if _, err := f.Write(content); err != nil {
		return nil, err
	}
	if err := takeOver(f, like); err != nil {
		return nil, err
	}
	if err := w.sync(f); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return info, f.Close()
}

// takeOver gives a file the owner, mode and extended attributes of another, in
// this order: a change of owner clears set-user-id bits, and an ACL holds the
// mode's group bits.
func takeOver(f, like *os.File) error {
	mode, err := takeOverOwner(f, like)
	if err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return fmt.Errorf("keeping mode %v: %w", mode, err)
	}
	names, err := attributes(like)
	if err != nil {
		return fmt.Errorf("reading extended attributes of %s: %w", like.Name(), err)
	}
	for _, name := range names {
		if err := copyAttribute(f, like, name); err != nil {
			return fmt.Errorf("keeping extended attribute %s: %w", name, err)
		}
	}
	if !slices.Contains(names, accessACL) {
		return removeInheritedACL(f)
	}
	return nil
}

// takeOverOwner gives a file the owner and group of another, as far as this user may,
// and returns the mode that goes with them.
func takeOverOwner(f, like *os.File) (fs.FileMode, error) {
	info, err := like.Stat()
	if err != nil {
		return 0, err
	}
	var old unix.Stat_t
	if err := unix.Fstat(int(like.Fd()), &old); err != nil {
		return 0, fmt.Errorf("reading owner and mode of %s: %w", like.Name(), err)
	}
	mode := info.Mode()
	err = f.Chown(int(old.Uid), int(old.Gid))
	if errors.Is(err, unix.EPERM) && os.Geteuid() != 0 {
		mode = mode.Perm()
		err = f.Chown(-1, int(old.Gid))
	}
	if errors.Is(err, unix.EPERM) && os.Geteuid() != 0 {
		return mode&^0o070 | mode&0o007<<3, nil
	}
	if err != nil {
		return 0, fmt.Errorf("keeping owner %d:%d: %w", old.Uid, old.Gid, err)
	}
	return mode, nil
}

// removeInheritedACL takes away what a new file has from its directory's default
// ACL.
func removeInheritedACL(f *os.File) error {
	err := unix.Fremovexattr(int(f.Fd()), accessACL)
	if err == nil || errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return fmt.Errorf("removing the ACL that the directory gives: %w", err)
}

const accessACL = "system.posix_acl_access"

// attributes returns the extended attributes that belong to a file whatever its
// content: its ACL, its security context, the user's own. Others, such as
// security.ima, describe the content.
func attributes(f *os.File) ([]string, error) {
	list, err := readAll(func(buf []byte) (int, error) { return unix.Flistxattr(int(f.Fd()), buf) })
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	var names []string
	for name := range strings.SplitSeq(string(list), "\x00") {
		switch {
		case name == accessACL, name == "system.nfs4_acl",
			name == "security.selinux", name == "security.SMACK64",
			strings.HasPrefix(name, "user."):
			names = append(names, name)
		}
	}
	return names, err
}

func copyAttribute(f, like *os.File, name string) error {
	value, err := attribute(like, name)
	if err != nil {
		return err
	}
	// A new file often has the right security context already, and to set it even
	// so may be forbidden.
	if own, err := attribute(f, name); err == nil && string(own) == string(value) {
		return nil
	}
	return unix.Fsetxattr(int(f.Fd()), name, value, 0)
}

func attribute(f *os.File, name string) ([]byte, error) {
	return readAll(func(buf []byte) (int, error) { return unix.Fgetxattr(int(f.Fd()), name, buf) })
}

// readAll calls one of the xattr functions with a buffer that is large enough.
func readAll(read func([]byte) (int, error)) ([]byte, error) {
	for {
		size, err := read(nil)
		if err != nil || size == 0 {
			return nil, err
		}
		buf := make([]byte, size)
		n, err := read(buf)
		if errors.Is(err, unix.ERANGE) {
			continue // it has grown since
		}
		if err != nil {
			return nil, err
		}
		return buf[:n], nil
	}
}

func (w writer) syncDirectory(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return w.sync(f)
}
