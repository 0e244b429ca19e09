package cli

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"

	"github.com/virt-netboot/virt-netboot/internal/config"
)

// TestDocs checks every page of the project: virt-netboot takes its command lines, its
// links lead somewhere, its configurations are valid.
func TestDocs(t *testing.T) {
	pages := pagesBelow(t, "../..")
	for _, path := range []string{"../../README.md", "../../docs/how-it-works.md", "../../docs/upgrades.md"} {
		if !slices.Contains(pages, path) {
			t.Errorf("%s is not among the pages %v", path, pages)
		}
	}
	for _, path := range pages {
		for _, mistake := range readPage(t, path).mistakes() {
			t.Error(mistake)
		}
	}
}

// TestDocsMistakes is what TestDocs finds in a page.
func TestDocsMistakes(t *testing.T) {
	want := []string{
		`4: a link to gone.md: stat testdata/docs/gone.md: no such file or directory`,
		`4: a link to #none: there is no such heading`,
		`4: a link to mistakes.md#none: there is no such heading`,
		`4: a link to drawing.svg: stat testdata/docs/drawing.svg: no such file or directory`,
		`8: virt-netboot apply --sure: unknown flag: --sure`,
		`8: virt-netboot revet --all: unknown command "revet" for "virt-netboot"`,
		`8: virt-netboot revert --all NAME: --all does not take a DOMAIN`,
		`11: virt-netboot rewrite --dif: unknown flag: --dif`,
		`11: virt-netboot enable on: unknown command "on" for "virt-netboot enable"`,
		`11: virt-netboot revert: name a DOMAIN, or use --all or --files`,
		`11: virt-netboot once: requires at least 1 arg(s), only received 0`,
		`19: virt-netboot revert --some: unknown flag: --some`,
		`19: virt-netboot doctor node: unknown command "node" for "virt-netboot doctor"`,
		`19: virt-netboot status --interval soon: invalid argument "soon" for "--interval" flag: time: invalid duration "soon"`,
		"19: virt-netboot check \": 1:20: reached EOF without closing quote `\"`",
		`32: the configuration:1:16: boot: "first" is not one of network-first, network-always, network-if-missing, keep`,
		`36: rule "none" is never reached: "all" before it matches every domain`,
	}
	var got []string
	for _, mistake := range readPage(t, "testdata/docs/mistakes.md").mistakes() {
		mistake, _, _ = strings.Cut(mistake, "; see virt-netboot ")
		mistake, _, _ = strings.Cut(mistake, "\n\nDid you mean")
		got = append(got, strings.TrimPrefix(mistake, "testdata/docs/mistakes.md:"))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func pagesBelow(t *testing.T, dir string) []string {
	t.Helper()
	var pages []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "bin", "demo", "dist", "testdata"}, d.Name()):
			return fs.SkipDir
		case filepath.Ext(path) == ".md":
			pages = append(pages, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// page is a document in Markdown.
type page struct {
	path string
	src  []byte
	root ast.Node
}

func readPage(t *testing.T, path string) page {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return parsePage(path, src)
}

func parsePage(path string, src []byte) page {
	markdown := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithParserOptions(parser.WithAutoHeadingID()))
	return page{path, src, markdown.Parser().Parse(text.NewReader(src))}
}

func (p page) mistakes() []string {
	var all []string
	_ = ast.Walk(p.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			for _, mistake := range p.mistakesOf(n) {
				all = append(all, fmt.Sprintf("%s:%d: %s", p.path, p.line(n), mistake))
			}
		}
		return ast.WalkContinue, nil
	})
	return all
}

func (p page) mistakesOf(n ast.Node) []string {
	switch n := n.(type) {
	case *ast.Link:
		return p.mistakesOfLink(string(n.Destination))
	case *ast.Image:
		return p.mistakesOfLink(string(n.Destination))
	case *ast.CodeSpan:
		return mistakesOfSpan(p.span(n))
	case *ast.FencedCodeBlock:
		var language string
		if n.Info != nil {
			language = string(n.Info.Value(p.src))
		}
		return mistakesOfFence(language, string(n.Lines().Value(p.src)))
	}
	return nil
}

// span is the text of a code span.
func (p page) span(n *ast.CodeSpan) string {
	var s strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if part, ok := c.(*ast.Text); ok {
			s.Write(part.Segment.Value(p.src))
		}
	}
	return s.String()
}

// line is where a node begins.
func (p page) line(n ast.Node) int {
	at := 0
	_ = ast.Walk(n, func(n ast.Node, _ bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Text:
			at = n.Segment.Start
		case *ast.FencedCodeBlock:
			if n.Lines().Len() > 0 {
				at = n.Lines().At(0).Start
			}
		default:
			return ast.WalkContinue, nil
		}
		return ast.WalkStop, nil
	})
	return 1 + strings.Count(string(p.src[:at]), "\n")
}

func (p page) mistakesOfLink(to string) []string {
	wrong := func(why any) []string { return []string{fmt.Sprintf("a link to %s: %v", to, why)} }
	link, err := url.Parse(to)
	switch {
	case err != nil:
		return wrong(err)
	case link.Scheme != "":
		return nil
	}
	target := p
	if link.Path != "" {
		path := filepath.Join(filepath.Dir(p.path), link.Path)
		if _, err := os.Stat(path); err != nil {
			return wrong(err)
		}
		if link.Fragment == "" {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return wrong(err)
		}
		target = parsePage(path, src)
	}
	if !target.hasHeading(link.Fragment) {
		return wrong("there is no such heading")
	}
	return nil
}

func (p page) hasHeading(id string) bool {
	for n := p.root.FirstChild(); n != nil; n = n.NextSibling() {
		if got, ok := n.AttributeString("id"); ok && string(got.([]byte)) == id {
			return true
		}
	}
	return false
}

// mistakesOfFence checks configurations, and commands where a fence is for a shell or
// has no language. YAML that is not a configuration has a second word behind its
// language.
func mistakesOfFence(language, content string) []string {
	switch language {
	case "yaml":
		c, err := config.Parse("the configuration", []byte(content))
		if err != nil {
			return []string{err.Error()}
		}
		return unreached(c.Rules)
	case "", "sh", "console":
		return mistakesOfCommands(content, language == "console")
	}
	return nil
}
