package doctor

import (
	"context"
	"errors"
	"io/fs"

	"github.com/virt-netboot/virt-netboot/agent/resync"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// checkFiles tells whether Nova's files are patched.
func checkFiles(_ context.Context, n *node) []Result {
	if len(n.config.Files) == 0 {
		return one(ok("none are configured"))
	}
	var all []Result
	for _, f := range n.config.Files {
		there := f
		there.Path = n.path(f.Path)
		status, err := resync.Look(there, n.config.Policy())
		all = append(all, n.judgeFile(f, status, err))
	}
	return all
}

func (n *node) judgeFile(f config.File, s resync.Status, err error) Result {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return unknown(err)
	case s.State == resync.StateInSync:
		return ok("%s is in sync", f.Path)
	case s.State == resync.StateMissing:
		return ok("%s is not there", f.Path)
	case s.State == resync.StateBusy:
		return warning("ask again in a second", "%s is being written", f.Path)
	case s.State == resync.StateReverted:
		return warning("virt-netboot apply --files", "%s is left alone, since it was reverted", f.Path)
	case s.State == resync.StateWouldChange && n.config.Mode == config.ModeObserve:
		return warning(Enable+", when you have seen enough", "%s is not patched, since the mode is observe", f.Path)
	case s.State == resync.StateWouldChange:
		return failure("systemctl start virt-netboot", "%s is not patched", f.Path)
	}
	return failure("fix "+f.Path+", or remove it from files: in "+n.ConfigPath, "%s", s.Error)
}
