package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// The scripts that the hook is compared with do what it does to the document, except
// for the undo record.
func TestSameJob(t *testing.T) {
	document, err := os.ReadFile("testdata/domain.xml")
	if err != nil {
		t.Fatal(err)
	}
	res, err := domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}.Domain(document, domainxml.Inactive)
	if err != nil || len(res.Changes) < 2 {
		t.Fatalf("the rules change %v: %v", res.Changes, err)
	}
	want := tokens(t, res.Output)
	for _, script := range [][]string{
		{"xsltproc", "testdata/netboot.xsl", "-"},
		{"/usr/bin/python3", "testdata/netboot.py"},
	} {
		t.Run(script[0], func(t *testing.T) {
			if _, err := exec.LookPath(script[0]); err != nil {
				t.Skip(err)
			}
			cmd := exec.Command(script[0], script[1:]...)
			cmd.Stdin = bytes.NewReader(document)
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, tokens(t, out)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// tokens is what a document says: elements with their attributes in order, and text that
// is more than white space, without the undo record.
func tokens(t *testing.T, document []byte) []string {
	t.Helper()
	var said []string
	for d := xml.NewDecoder(bytes.NewReader(document)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return said
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Space == note {
				if err := d.Skip(); err != nil {
					t.Fatal(err)
				}
				continue
			}
			said = append(said, element(token))
		case xml.EndElement:
			said = append(said, "</"+token.Name.Local+">")
		case xml.CharData:
			if text := strings.TrimSpace(string(token)); text != "" {
				said = append(said, text)
			}
		}
	}
}

// note is the namespace of what the rules add to <metadata>.
const note = "urn:virt-netboot:domain:1.0"

func element(e xml.StartElement) string {
	var attributes []string
	for _, a := range e.Attr {
		attributes = append(attributes, fmt.Sprintf(" %s:%s=%q", a.Name.Space, a.Name.Local, a.Value))
	}
	slices.Sort(attributes)
	return "<" + e.Name.Space + ":" + e.Name.Local + strings.Join(attributes, "") + ">"
}
