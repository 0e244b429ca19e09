// Package existing keeps which domains were there when the mode became enforce, for
// existing: keep. The agent makes the list before it changes the first domain, and
// removes it while it observes:
//
//	list := existing.New(dir)
//	err := list.Listed(observe, uuids) // whenever libvirt has listed its domains
//	if list.Has(uuid) { … }
//
// The hook reads it with [Read].
package existing

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Dir is the directory that the list is in.
const Dir = "/var/lib/virt-netboot"

// Name is the list's name there: a UUID a line.
const Name = "existing"

// List is the list in a directory. New makes one.
type List struct {
	path string

	mu    sync.Mutex
	known bool // uuids are those of this enforce
	saved bool // they are in the file
	uuids map[string]bool
}

// New returns the list in a directory, which need not be there yet.
func New(dir string) *List { return &List{path: filepath.Join(dir, Name)} }

// Has reports whether a domain was there. While that is not known, every domain was.
func (l *List) Has(uuid string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.known || l.uuids[uuid]
}

// Listed takes all domains that libvirt has, by their UUIDs, in the mode that was in
// force before they were listed. With mode: enforce and without a list, they become the
// list. Where it cannot be written it still holds for this process.
func (l *List) Listed(observe bool, uuids []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if observe {
		l.known, l.saved, l.uuids = false, false, nil
		if err := os.Remove(l.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the list of the domains that were there: %w", err)
		}
		return nil
	}
	if !l.known {
		there, err := Read(l.path)
		switch {
		case err == nil:
			l.known, l.saved, l.uuids = true, true, there
		case errors.Is(err, fs.ErrNotExist):
			l.known, l.uuids = true, set(uuids)
		default:
			return err
		}
	}
	if l.saved {
		return nil
	}
	if err := l.write(); err != nil {
		return fmt.Errorf("writing the list of the domains that were there: %w", err)
	}
	l.saved = true
	return nil
}

// Read reads a list. The error of one that is not there wraps fs.ErrNotExist.
func Read(path string) (map[string]bool, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the list of the domains that were there: %w", err)
	}
	return set(strings.Fields(string(b))), nil
}

func set(uuids []string) map[string]bool {
	all := make(map[string]bool, len(uuids))
	for _, uuid := range uuids {
		all[uuid] = true
	}
	return all
}

// write replaces the file. Neither a reader nor a power cut finds half of it.
func (l *List) write() error {
	var text strings.Builder
	uuids := make([]string, 0, len(l.uuids))
	for uuid := range l.uuids {
		uuids = append(uuids, uuid)
	}
	slices.Sort(uuids)
	for _, uuid := range uuids {
		text.WriteString(uuid + "\n")
	}
	dir := filepath.Dir(l.path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(l.path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(text.String()); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), l.path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
