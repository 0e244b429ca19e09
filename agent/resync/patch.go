package resync

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

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
	dir, name, err := openTarget(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return outcome{state: StateMissing}, nil
	}
	if err != nil {
		return outcome{}, err
	}
	defer dir.Close()
	unlock, err := dir.lock()
	if err != nil {
		return outcome{}, err
	}
	defer unlock()
	if exists(f.Path + markerSuffix) {
		return outcome{state: StateReverted, stock: dir.existing(name + stockSuffix)}, nil
	}
	var out outcome
	err = dir.do(func() error {
		out, err = patchIn(dir, name, e, ruleFor(f.Kind, p), dryRun)
		return err
	})
	if errors.As(err, new(*edit.Error)) {
		err = fmt.Errorf("%s is left alone: %w", f.Path, err)
	}
	return out, err
}

// patchIn brings the file of a directory in line with a rule.
func patchIn(dir *directory, name string, e *editor, rule domainxml.Rule, dryRun bool) (outcome, error) {
	current, err := openSnapshot(dir, name)
	if err != nil {
		return outcome{}, err
	}
	defer current.Close()
	kept, err := readStock(dir, name)
	if err != nil {
		return outcome{}, err
	}
	out := outcome{stock: dir.existing(name + stockSuffix)}
	d, err := decide(e, rule, current.content, kept)
	if err != nil {
		return out, err
	}
	out.Result, out.state, out.identity = d.Result, StateInSync, current.identity
	switch {
	case d.Write && dryRun:
		out.state = StateWouldChange
	case d.Write:
		err = write(current, d, &out)
	}
	return out, err
}

// write keeps the stock file, then replaces the file.
func write(current *snapshot, d decision, out *outcome) error {
	stock := current.name + stockSuffix
	if d.Stock != nil {
		if _, err := current.replace(stock, d.Stock); err != nil {
			return fmt.Errorf("keeping the stock file: %w", err)
		}
		out.stock = current.dir.path(stock)
	}
	info, err := current.replace(current.name, d.Output)
	if info != nil {
		out.wrote, out.identity = true, identityOf(info)
	}
	return err
}

// replace makes a file beside the snapshot's, or that one itself, one like it with
// another content, unless a program disturbs it.
func (s *snapshot) replace(name string, content []byte) (fs.FileInfo, error) {
	return atomicfile.Write(s.dir.Root, name, content, s.File, s.undisturbed)
}

// readStock returns the stock file that is kept for a file, nil without one.
func readStock(dir *directory, name string) ([]byte, error) {
	f, err := openRegular(dir, name+stockSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the kept stock file: %w", err)
	}
	defer f.Close()
	kept, err := readAll(f)
	if err != nil {
		return nil, fmt.Errorf("reading the kept stock file: %w", err)
	}
	return kept, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
