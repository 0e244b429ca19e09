// Package novatemplate edits libvirt.xml.template, the Cheetah template that
// Nova up to Essex makes domain documents from:
//
//	res, err := novatemplate.Edit(template, domainxml.DefaultRule())
//
// A document that Cheetah renders from the result is what domainxml makes of
// the document rendered from the stock template. The template is no XML, and
// outside the edits the result is the template byte for byte.
//
// A rule's kernel key has no effect on a template: which instances have a
// kernel is known only when Nova renders it.
package novatemplate

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/virt-netboot/virt-netboot/agent/resync/edit"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// Edit applies a rule to a template. What is no template, or cannot be read
// with certainty, is an [edit.Error]; the result's Output is then the input.
func Edit(template []byte, rule domainxml.Rule) (edit.Result, error) {
	unchanged := edit.Result{Output: template}
	t, err := parse(template)
	if err != nil {
		return unchanged, err
	}
	e := editor{template: t, rule: rule}
	if rule.Boot == domainxml.BootNetworkFirst {
		e.editBoot()
		e.noteKernels()
	}
	for _, ref := range t.filterrefs {
		if err := e.editFilterref(ref); err != nil {
			return unchanged, err
		}
	}
	e.applyRemovals()
	e.result.Output = e.splices.Apply(template)
	if err := e.checkSeams(); err != nil {
		return unchanged, err
	}
	return e.result, nil
}

// template is a template with the elements that the rules are about.
type template struct {
	*cheetah
	boots, kernels, filterrefs []element
}

func parse(src []byte) (*template, error) {
	c, err := parseCheetah(src)
	if err != nil {
		return nil, err
	}
	found, err := elements(c.markup, "domain", "boot", "kernel", "filterref")
	if err != nil {
		return nil, err
	}
	t := &template{cheetah: c}
	domains := 0
	for _, el := range found {
		switch el.name {
		case "domain":
			domains++
		case "boot":
			t.boots = append(t.boots, el)
		case "kernel":
			t.kernels = append(t.kernels, el)
		case "filterref":
			t.filterrefs = append(t.filterrefs, el)
		}
	}
	if domains == 0 {
		return nil, &edit.Error{Line: 1, Message: "no <domain> anywhere, so this is no template of Nova's"}
	}
	return t, nil
}

// editor is the work on one template.
type editor struct {
	*template
	rule          domainxml.Rule
	removed       []element
	splices       edit.Splices // of the source
	markupSplices edit.Splices // the same of the markup
	result        edit.Result
}

// splice replaces src[start:end] with text, of which XML sees the markup.
func (e *editor) splice(start, end int, text, markup string) {
	e.splices.Add(start, end, text)
	e.markupSplices.Add(start, end, markup)
}

// checkSeams refuses a result that Cheetah would read in another way than the
// source outside the edits: where a # comes to stand before a #, a comment begins.
func (e *editor) checkSeams() error {
	after, err := parseCheetah(e.result.Output)
	if err == nil && bytes.Equal(after.markup, e.markupSplices.Apply(e.markup)) {
		return nil
	}
	return &edit.Error{Line: e.result.Changes[0].Line, Message: "what stands next to this edit would mean something else after it"}
}

func (e *editor) changed(at int, format string, args ...any) {
	e.result.Changes = append(e.result.Changes, e.note(at, format, args...))
}

func (e *editor) note(at int, format string, args ...any) edit.Note {
	return edit.Note{Line: edit.Line(e.src, at), Text: fmt.Sprintf(format, args...)}
}

func (e *editor) noteKernels() {
	if len(e.kernels) == 0 {
		return
	}
	var lines []string
	for _, k := range e.kernels {
		lines = append(lines, strconv.Itoa(edit.Line(e.src, k.start)))
	}
	e.result.Notes = append(e.result.Notes, e.note(e.kernels[0].start,
		"an instance with a <kernel> boots it directly, whatever the boot order; nothing is added for it (<kernel> in line %s)", strings.Join(lines, ", ")))
}

// editFilterref removes or redirects one nwfilter reference.
func (e *editor) editFilterref(ref element) error {
	start, end, ok := ref.attribute(e.markup, "filter")
	name := string(e.src[start:end])
	switch want := e.rule.Filterref; {
	case want.Action == domainxml.FilterrefRemove:
		if err := e.checkRemovable(ref); err != nil {
			return err
		}
		e.removed = append(e.removed, ref)
		e.changed(ref.start, "filterref %s removed", name)
	case want.Action == domainxml.FilterrefReplace && ok && name != want.Filter:
		e.splice(start, end, want.Filter, want.Filter)
		e.changed(ref.start, "filterref %s instead of %s", want.Filter, name)
	}
	return nil
}

// checkRemovable refuses an element that holds one end of a block only.
func (e *editor) checkRemovable(el element) error {
	var inside []directive
	for _, d := range e.directives {
		if d.start >= el.start && d.start < el.end {
			inside = append(inside, d)
		}
	}
	open, err := balance(e.src, inside)
	if err != nil || len(open) > 0 {
		return edit.Errorf(e.src, el.start, "<%s> holds one end of a block of directives only; it cannot be taken out", el.name)
	}
	return nil
}

// lineBreak is how the line ends that the offset is in.
func (e *editor) lineBreak(at int) string {
	if eol := at + endOfLine(e.src[at:]); eol > at && e.src[eol-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}
