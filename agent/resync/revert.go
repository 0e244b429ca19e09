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
	"github.com/virt-netboot/virt-netboot/internal/atomicfile"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// Reverted is what Revert did with a file.
type Reverted struct {
	// Restored is whether the stock file was put back; without one the file had
	// never been changed.
	Restored bool
	// Edited is where the file went that was replaced, when somebody had changed
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
	err := os.Remove(f.Path + markerSuffix)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("allowing %s to be patched: %w", f.Path, err)
	}
	return nil
}

func revert(f config.File) (Reverted, error) {
	target, err := filepath.EvalSymlinks(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Reverted{}, mark(f)
	}
	if err != nil {
		return Reverted{}, err
	}
	unlock, err := lockDirectory(filepath.Dir(target))
	if err != nil {
		return Reverted{}, err
	}
	defer unlock()
	if err := mark(f); err != nil {
		return Reverted{}, err
	}
	kept, err := readStock(target)
	if err != nil || kept == nil {
		return Reverted{}, err
	}
	current, err := openSnapshot(target)
	if err != nil {
		return Reverted{}, err
	}
	defer current.Close()
	return restore(f.Kind, target, current, kept)
}

// restore makes a file what was kept, unless somebody disturbs it.
func restore(kind config.FileKind, target string, current *snapshot, kept []byte) (Reverted, error) {
	r := Reverted{Restored: true}
	if e := editorOf(kind); e == nil || !e.makes(current.content, kept) {
		r.Edited = target + ".virt-netboot-edited"
		if _, err := atomicfile.Write(r.Edited, current.content, current.File, current.undisturbed); err != nil {
			return Reverted{}, fmt.Errorf("keeping what was changed in it: %w", err)
		}
	}
	if string(kept) != string(current.content) {
		if _, err := atomicfile.Write(target, kept, current.File, current.undisturbed); err != nil {
			return Reverted{}, err
		}
	}
	return r, os.Remove(target + stockSuffix)
}

// mark makes the marker. It may end up where dnsmasq reads all files of a
// directory, so what it says is a comment to dnsmasq.
func mark(f config.File) error {
	text := "# virt-netboot leaves " + filepath.Base(f.Path) + " alone until `virt-netboot apply --files` or until this file is removed.\n"
	err := os.WriteFile(f.Path+markerSuffix, []byte(text), 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // no directory: nothing to patch and nothing to revert
	}
	return err
}
