package resync

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/virt-netboot/virt-netboot/agent/resync/edit"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/atomicfile"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// The names beside a file.
const (
	stockSuffix  = ".virt-netboot-orig"
	markerSuffix = ".virt-netboot-off"
)

// outcome is what was found of a file and done about it.
type outcome struct {
	edit.Result
	state    State
	wrote    bool
	stock    string // where the stock file is kept, "" without one
	identity identity
}

// patch brings a file in line with the policy. With dryRun it only says what it
// would do, in the outcome's state.
func patch(f config.File, p domainxml.Policy, dryRun bool) (outcome, error) {
	e := editorOf(f.Kind)
	if e == nil {
		return outcome{}, fmt.Errorf("%s: unknown kind %q of file", f.Path, f.Kind)
	}
	target, err := filepath.EvalSymlinks(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return outcome{state: StateMissing}, nil
	}
	if err != nil {
		return outcome{}, err
	}
	unlock, err := lockDirectory(filepath.Dir(target))
	if err != nil {
		return outcome{}, err
	}
	defer unlock()
	if exists(f.Path + markerSuffix) {
		return outcome{state: StateReverted, stock: existing(target + stockSuffix)}, nil
	}
	current, err := openSnapshot(target)
	if err != nil {
		return outcome{}, err
	}
	defer current.Close()
	kept, err := readStock(target)
	if err != nil {
		return outcome{}, err
	}
	d, err := decide(e, ruleFor(f.Kind, p), current.content, kept)
	if err != nil {
		return outcome{stock: existing(target + stockSuffix)}, fmt.Errorf("%s is left alone: %w", f.Path, err)
	}
	out := outcome{Result: d.Result, state: StateInSync, identity: current.identity, stock: existing(target + stockSuffix)}
	switch {
	case d.Write && dryRun:
		out.state = StateWouldChange
	case d.Write:
		err = write(target, current, d, &out)
	}
	return out, err
}

// write keeps the stock file, then replaces the file.
func write(target string, current *snapshot, d decision, out *outcome) error {
	if d.Stock != nil {
		if _, err := atomicfile.Write(target+stockSuffix, d.Stock, current.File, current.undisturbed); err != nil {
			return fmt.Errorf("keeping the stock file: %w", err)
		}
		out.stock = target + stockSuffix
	}
	info, err := atomicfile.Write(target, d.Output, current.File, current.undisturbed)
	if info != nil {
		out.wrote, out.identity = true, identityOf(info)
	}
	return err
}

// readStock returns the stock file that is kept for a file, nil without one.
func readStock(target string) ([]byte, error) {
	s, err := os.ReadFile(target + stockSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the kept stock file: %w", err)
	}
	if s == nil {
		s = []byte{}
	}
	return s, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func existing(path string) string {
	if exists(path) {
		return path
	}
	return ""
}
