package novatemplate_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/virt-netboot/virt-netboot/agent/resync/edit"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

func readRule(t *testing.T, archive *txtar.Archive) domainxml.Rule {
	t.Helper()
	rule := domainxml.DefaultRule()
	if text := strings.TrimSpace(part(archive, "filterref")); text != "" {
		if err := rule.Filterref.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if text := strings.TrimSpace(part(archive, "boot")); text != "" {
		if err := rule.Boot.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return rule
}

func part(archive *txtar.Archive, name string) string {
	for _, f := range archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func setPart(archive *txtar.Archive, name, text string) {
	for i := range archive.Files {
		if archive.Files[i].Name == name {
			archive.Files[i].Data = []byte(text)
			return
		}
	}
	archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(text)})
}

func says(res edit.Result, err error) string {
	var b strings.Builder
	for _, c := range res.Changes {
		fmt.Fprintln(&b, "change:", c)
	}
	for _, n := range res.Notes {
		fmt.Fprintln(&b, "note:", n)
	}
	if err != nil {
		fmt.Fprintln(&b, "error:", err)
	}
	return b.String()
}

// summary counts what Edit did to a template.
func summary(res edit.Result) string {
	boots, refs, kernels := 0, 0, ""
	for _, c := range res.Changes {
		switch {
		case strings.Contains(c.Text, "boot"):
			boots++
		case strings.Contains(c.Text, "filterref"):
			refs++
		}
	}
	for _, n := range res.Notes {
		if strings.Contains(n.Text, "<kernel>") {
			kernels += fmt.Sprintf(", kernel in line %d", n.Line)
		}
	}
	return fmt.Sprintf("%d boots, %d filterrefs%s", boots, refs, kernels)
}
