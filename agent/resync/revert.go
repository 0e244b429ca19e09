package resync

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// Reverted is what Revert did with a file.
type Reverted struct {
	// Restored is whether the stock file was put back; without one the file had
	// never been changed.
	Restored bool
	// Edited is where the file went that was replaced, when it was changed
	// it after virt-netboot did; "" otherwise.
	Edited string
}

// Revert puts the stock file back and leaves a marker beside the file, so that
// no agent patches it until Apply. A file that is missing only gets its marker.
// It waits for a while where another program writes the file, and tells say.
func Revert(ctx context.Context, f config.File, say func(string)) (r Reverted, err error) {
	err = retry(ctx, f.Path, say, func() error {
		r, err = revert(f)
		return err
	})
	if err != nil {
		return r, fmt.Errorf("reverting %s: %w", f.Path, err)
	}
	return r, nil
}

// Apply takes Revert's marker away and patches the file at once. It waits as Revert
// does.
func Apply(ctx context.Context, f config.File, p domainxml.Policy, say func(string)) (Status, error) {
	if err := Release(f); err != nil {
		return Status{}, err
	}
	var out outcome
	err := retry(ctx, f.Path, say, func() (err error) {
		out, err = patch(f, p, false)
		return err
	})
	return newStatus(f, out, err, time.Now()), err
}

// Release takes Revert's marker away and leaves the file as it is: an agent that
// runs patches it then.
func Release(f config.File) error {
	err := besideFile(f, func(dir *directory, marker string) error {
		err := dir.Remove(marker)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("allowing %s to be patched: %w", f.Path, err)
	}
	return nil
}

func revert(f config.File) (r Reverted, err error) {
	dir, name, err := openTarget(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Reverted{}, mark(f)
	}
	if err != nil {
		return Reverted{}, err
	}
	defer dir.Close()
	unlock, err := dir.lock()
	if err != nil {
		return Reverted{}, err
	}
	defer unlock()
	if err := mark(f); err != nil {
		return Reverted{}, err
	}
	err = dir.do(func() error {
		r, err = revertIn(dir, name, editorOf(f.Kind))
		return err
	})
	return r, err
}

// revertIn puts the stock file back that is kept in a directory.
func revertIn(dir *directory, name string, e *editor) (Reverted, error) {
	kept, err := readStock(dir, name)
	if err != nil || kept == nil {
		return Reverted{}, err
	}
	current, err := openSnapshot(dir, name)
	if err != nil {
		return Reverted{}, err
	}
	defer current.Close()
	return restore(e, current, kept)
}

// restore makes a file what was kept, unless a program disturbs it.
func restore(e *editor, current *snapshot, kept []byte) (Reverted, error) {
	r := Reverted{Restored: true}
	if e == nil || !e.makes(current.content, kept) {
		edited := current.name + ".virt-netboot-edited"
		if _, err := current.replace(edited, current.content); err != nil {
			return Reverted{}, fmt.Errorf("keeping what was changed in it: %w", err)
		}
		r.Edited = current.dir.path(edited)
	}
	if string(kept) != string(current.content) {
		if _, err := current.replace(current.name, kept); err != nil {
			return Reverted{}, err
		}
	}
	return r, current.dir.Remove(current.name + stockSuffix)
}

// mark makes the marker. It may end up where dnsmasq reads all files of a
// directory, so what it says is a comment to dnsmasq.
func mark(f config.File) error {
	text := "# virt-netboot leaves " + filepath.Base(f.Path) + " alone until `virt-netboot apply --files` or until this file is removed.\n"
	return besideFile(f, func(dir *directory, marker string) error {
		w, err := dir.OpenFile(marker, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = w.WriteString(text)
		return errors.Join(err, w.Close())
	})
}

// besideFile calls f in the directory of a file, with the name of the file's marker
// there. Without that directory there is nothing to patch and nothing to revert.
func besideFile(file config.File, f func(dir *directory, marker string) error) error {
	dir, err := openDirectory(file.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.do(func() error { return f(dir, filepath.Base(file.Path)+markerSuffix) })
}
