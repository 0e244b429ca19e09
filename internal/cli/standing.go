package cli

import (
	"fmt"
	"strings"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/takeover"
)

// standing says which of virt-netboot enable and disable holds on a node, and what a
// client gets at libvirt's usual path.
func standing(s takeover.State) string {
	text := holds(s)
	if s.Intent != nil {
		text += "; a change of that is under way"
	}
	if s.Unreachable != nil {
		return fmt.Sprintf("%s; libvirt does not answer at %s: %v", text, s.Usual(), s.Unreachable)
	}
	return fmt.Sprintf("%s; libvirt %s answers at %s", text, s.Version, s.Usual())
}

func holds(s takeover.State) string {
	d, inFront := s.Enabled()
	next, moved := s.Successor(d)
	mode := s.Mode()
	word := "enabled"
	if mode != config.ModeEnforce {
		word = "only observing"
	}
	switch {
	case len(s.Bypassed) > 0:
		return fmt.Sprintf("%s, but bypassed: the agent does not run, and %s leads straight to libvirt; virt-netboot-bypass.service tries it again, and journalctl -u virt-netboot says what is wrong", word, s.Bypassed[len(s.Bypassed)-1])
	case !inFront && mode == config.ModeObserve:
		return "disabled: nothing is changed, and libvirt has its own path"
	case !inFront:
		return word + ", at the gateway's own socket only"
	case moved:
		return fmt.Sprintf("%s, in front of %s, but this node has moved to %s, whose clients bypass the gateway: virt-netboot disable && virt-netboot enable", word, d.Name, next.Name)
	case len(s.Torn) > 0:
		return fmt.Sprintf("%s, but a power cut has damaged %s: virt-netboot enable writes it once more", word, strings.Join(s.Torn, " and "))
	}
	return fmt.Sprintf("%s: %s is the gateway's, %s is at %s", word, d.Path, d.Name, libvirt.Direct(d.Path))
}

// jsonStanding is the same for programs.
type jsonStanding struct {
	Enabled  bool        `json:"enabled"`  // as virt-netboot enable leaves a node, with --socket-only too
	InFront  bool        `json:"in_front"` // the gateway has libvirt's usual path
	Mode     config.Mode `json:"mode"`     // of the configuration's file; "" where that has a mistake
	Bypassed []string    `json:"bypassed"` // paths that lead to libvirt, bypassing an agent that does not run
	UnderWay bool        `json:"under_way"`
	Usual    string      `json:"usual_path"`
	Libvirt  string      `json:"libvirt"` // the version that answers there
	Error    string      `json:"error,omitempty"`
	Text     string      `json:"text"`
}

func newJSONStanding(s takeover.State) jsonStanding {
	_, inFront := s.Enabled()
	out := jsonStanding{
		Enabled: s.Mode() == config.ModeEnforce, InFront: inFront, Mode: s.Mode(),
		Bypassed: append([]string{}, s.Bypassed...), UnderWay: s.Intent != nil,
		Usual: s.Usual(), Libvirt: s.Version, Text: standing(s),
	}
	if s.Unreachable != nil {
		out.Error = s.Unreachable.Error()
	}
	return out
}

// unwell reports whether something about it is to be put right.
func unwell(s takeover.State) bool {
	d, inFront := s.Enabled()
	_, moved := s.Successor(d)
	return inFront && (moved || s.Unreachable != nil) || len(s.Torn)+len(s.Bypassed) > 0 || s.Intent != nil
}
