package domainxml_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/testing/corpus"
)

// FuzzDomain: for any input there is no panic, every change is reported, a second
// rewrite changes nothing, and what encoding/xml could read it can still read.
func FuzzDomain(f *testing.F) {
	for _, doc := range seeds(f) {
		f.Add(doc, true)
		f.Add(doc, false)
	}
	f.Fuzz(func(t *testing.T, doc []byte, drop bool) {
		rule := domainxml.DefaultRule()
		if drop {
			rule.Kernel = domainxml.KernelDrop
			rule.Filterref = domainxml.Filterref{Action: domainxml.FilterrefReplace, Filter: "a<b"}
		}
		r := domainxml.Rewriter{Policy: domainxml.Policy{Rules: []domainxml.Rule{rule}}}
		res, err := r.Domain(doc, domainxml.Inactive)
		var syntax *domainxml.SyntaxError
		if err != nil && !errors.As(err, &syntax) {
			t.Fatal(err)
		}
		if !res.Changed() {
			if !bytes.Equal(res.Output, doc) {
				t.Fatal("changed, but not reported")
			}
			return
		}
		if again, err := r.Domain(res.Output, domainxml.Inactive); err != nil || again.Changed() {
			t.Fatalf("a second rewrite: %v, %v\n%s", err, again.Changes, res.Output)
		}
		if wellFormed(doc) == nil {
			if err := wellFormed(res.Output); err != nil {
				t.Fatalf("not XML any more: %v\n%s", err, res.Output)
			}
		}
	})
}

func seeds(f *testing.F) [][]byte {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	var docs [][]byte
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range archive.Files {
			if part.Name == "in.xml" {
				docs = append(docs, part.Data)
			}
		}
	}
	return append(docs, corpus.Sample(f, 160)...)
}

func wellFormed(doc []byte) error {
	d := xml.NewDecoder(bytes.NewReader(doc))
	for {
		if _, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
