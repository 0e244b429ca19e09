package resync

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/virt-netboot/virt-netboot/internal/credentials"
	"github.com/virt-netboot/virt-netboot/internal/filewatch"
)

// directory is one that a file is in. It is opened once: whatever its path leads to
// later, all is done in this one, and no symlink leads out of it (os.Root).
//
// Its owner can put anything there at any time, a symlink to one of root's files for
// one. So the work goes as far as the owner's own rights: root does it as the owner.
type directory struct {
	*os.Root
	owner *owner // nil: it is done as this process
}

// owner is a user who is not root and can change where a path leads.
type owner struct {
	credentials.Credentials
	dir string // what the user owns
}

// openDirectory opens the directory of the file at path.
func openDirectory(path string) (*directory, error) {
	dir := filepath.Dir(path)
	return openAsOwner(dir, func() (string, error) { return filepath.EvalSymlinks(dir) })
}

// openTarget opens the directory of the file that path leads to, a symlink's target
// for one, and returns the file's name there.
func openTarget(path string) (d *directory, name string, err error) {
	d, err = openAsOwner(path, func() (string, error) {
		target, err := filepath.EvalSymlinks(path)
		name = filepath.Base(target)
		return filepath.Dir(target), err
	})
	return d, name, err
}

// openAsOwner opens the directory that find returns, which must be what path leads to.
func openAsOwner(path string, find func() (string, error)) (*directory, error) {
	who, err := ownerOf(path)
	if err != nil {
		return nil, err
	}
	d := &directory{owner: who}
	err = d.do(func() error {
		dir, err := find()
		if err != nil {
			return err
		}
		// With the slash a FIFO that takes the directory's place is not waited for.
		if d.Root, err = os.OpenRoot(dir + "/"); err != nil {
			return err
		}
		return d.checkOwner(path)
	})
	if err != nil {
		if d.Root != nil {
			d.Close()
		}
		return nil, err
	}
	return d, nil
}

// ownerOf returns the first user on the way to a file who can change where the way
// goes on, nil where only root can or where this process is not root's. What comes
// before that user's directory, only root can change meanwhile.
func ownerOf(path string) (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	loose := "" // the directory just passed, where it is one that all write to
	for _, at := range append([]string{"/"}, filewatch.Trail(path)...) {
		info, err := os.Lstat(at)
		if err != nil {
			return nil, err
		}
		uid := info.Sys().(*syscall.Stat_t).Uid
		switch {
		case uid != 0 && (info.IsDir() || loose != ""):
			return newOwner(uid, at)
		case info.IsDir() && info.Mode()&0o022 != 0:
			loose = at
			if info.Mode()&fs.ModeSticky == 0 {
				return nil, looseError(loose)
			}
		case info.IsDir(), info.Mode().Type() == fs.ModeSymlink:
			loose = "" // root's own, which the others cannot replace
		}
	}
	if loose != "" {
		return nil, looseError(loose)
	}
	return nil, nil
}

func looseError(dir string) error {
	return fmt.Errorf("root does not work in %s, where others can write: chmod go-w %[1]s", dir)
}

func newOwner(uid uint32, dir string) (*owner, error) {
	who, err := credentials.OfUser(uid)
	if err != nil {
		return nil, err
	}
	return &owner{who, dir}, nil
}

// do calls f as the directory's owner.
func (d *directory) do(f func() error) error {
	if d.owner == nil {
		return f()
	}
	err := credentials.As(d.owner.Credentials, f)
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("as %s, who owns %s: %w", userName(d.owner.UID), d.owner.dir, err)
	}
	return err
}

// checkOwner refuses a directory that is another user's than the one who can change
// where path leads: a file there may be meant by the one and not by the other.
func (d *directory) checkOwner(path string) error {
	if d.owner == nil {
		return nil
	}
	info, err := d.Stat(".")
	if err != nil {
		return err
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != d.owner.UID {
		return fmt.Errorf("%s leads to %s, which is %s's; %s, who owns %s, can change that: name the file in the configuration by a path that root alone can change",
			path, filepath.Clean(d.Name()), userName(uid), userName(d.owner.UID), d.owner.dir)
	}
	return nil
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "uid " + id
}

// path is where a file of the directory is, for those who read of it.
func (d *directory) path(name string) string { return filepath.Join(d.Name(), name) }

// existing is the path of a file of the directory, "" where it is not there.
func (d *directory) existing(name string) string {
	if _, err := d.Lstat(name); err != nil {
		return ""
	}
	return d.path(name)
}
