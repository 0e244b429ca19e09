package takeover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Plan is what is to be done, in its order.
type Plan struct {
	Steps []Step
	// Rollback is done when one of the steps fails.
	Rollback []Step
}

// RestartsLibvirt reports whether libvirt's clients are without it for a while.
func (p Plan) RestartsLibvirt() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool {
		return len(s.Systemctl) > 0 && s.Systemctl[0] == "stop" &&
			slices.ContainsFunc(Daemons(), func(d Daemon) bool { return slices.Contains(s.Systemctl, d.service()) })
	})
}

// ending is the plan with a step that comes last, whether it goes well or not.
func (p Plan) ending(s Step) Plan {
	p.Steps = append(p.Steps, s)
	if p.Rollback != nil {
		p.Rollback = append(p.Rollback, s)
	}
	return p
}

// Step is one thing to do. One of its fields is set, besides Unchecked.
type Step struct {
	Write     string   // the file to make or replace
	Content   string   // of Write
	Remove    string   // the file to remove, with its directory if that is empty then
	Systemctl []string // the arguments of a systemctl to run
	Connect   string   // the path of libvirt's socket, where libvirt must answer
	Unchecked bool     // it does not matter whether it fails
}

func write(path, content string) Step { return Step{Write: path, Content: content} }
func remove(path string) Step         { return Step{Remove: path} }
func systemctl(args ...string) Step   { return Step{Systemctl: args} }
func connect(path string) Step        { return Step{Connect: path} }

func (s Step) unchecked() Step {
	s.Unchecked = true
	return s
}

// String is the step as a person would do it.
func (s Step) String() string {
	switch {
	case s.Write != "":
		return fmt.Sprintf("cat >%s <<EOF\n%sEOF", s.Write, s.Content)
	case s.Remove != "":
		return "rm -f " + s.Remove
	case s.Connect != "":
		return "virsh -c 'qemu+unix:///system?socket=" + s.Connect + "' version"
	}
	return "systemctl " + strings.Join(s.Systemctl, " ")
}

// System does the steps.
type System interface {
	Write(path, content string) error
	Remove(path string) error
	Systemctl(ctx context.Context, args ...string) error
	// Connect returns no error when libvirt answers at the path.
	Connect(ctx context.Context, path string) error
}

// Run does the steps. After one that fails, the error, it does the rollback: all
// of that, whatever fails in it. Without a rollback it goes on with the steps.
func (p Plan) Run(ctx context.Context, sys System) error {
	for i, s := range p.Steps {
		err := s.run(ctx, sys)
		if err == nil {
			continue
		}
		rest, undone := p.Rollback, "everything is as it was"
		if p.Rollback == nil {
			rest, undone = p.Steps[i+1:], "the other steps are done"
		}
		for _, s := range rest {
			if more := s.run(context.WithoutCancel(ctx), sys); more != nil {
				undone = "not all is done that should be"
				err = errors.Join(err, more)
			}
		}
		return fmt.Errorf("%w; %s", err, undone)
	}
	return nil
}

func (s Step) run(ctx context.Context, sys System) error {
	var err error
	switch {
	case s.Write != "":
		err = sys.Write(s.Write, s.Content)
	case s.Remove != "":
		err = sys.Remove(s.Remove)
	case s.Connect != "":
		err = sys.Connect(ctx, s.Connect)
	default:
		err = sys.Systemctl(ctx, s.Systemctl...)
	}
	if s.Unchecked {
		return nil
	}
	return err
}
