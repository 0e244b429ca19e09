// Package corpus has the domain documents that tests read: the project's own, or
// those of a larger collection.
package corpus

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// own is where the project's documents are, in the checkout.
const own = "domainxml/testdata/corpus"

// Document is the text of one file.
type Document struct {
	Name string // the file's path
	XML  []byte
}

// Documents returns every *.xml file below $DOMAIN_CORPUS, in the order of their
// paths. Without that variable they are the project's own.
func Documents(t testing.TB) []Document {
	t.Helper()
	dir := os.Getenv("DOMAIN_CORPUS")
	if dir == "" {
		dir = filepath.Join(checkout(t), own)
	}
	var docs []Document
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".xml") {
			return err
		}
		xml, err := os.ReadFile(path)
		docs = append(docs, Document{Name: path, XML: xml})
		return err
	})
	if err != nil {
		t.Fatalf("reading the corpus (DOMAIN_CORPUS names another one): %v", err)
	}
	if len(docs) == 0 {
		t.Fatalf("the corpus %s has no *.xml file", dir)
	}
	return docs
}

// Sample returns n documents from all over the corpus, or all where it has no
// more: seeds for a fuzz target.
func Sample(t testing.TB, n int) [][]byte {
	t.Helper()
	docs := Documents(t)
	n = min(n, len(docs))
	var sample [][]byte
	for i := range n {
		sample = append(sample, docs[i*len(docs)/n].XML)
	}
	return sample
}

// checkout is the root of the project's sources, which the test's directory is in.
func checkout(t testing.TB) string {
	t.Helper()
	for dir := "."; ; dir = filepath.Join("..", dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if abs, err := filepath.Abs(dir); err != nil || abs == "/" {
			t.Fatal("no go.mod in the working directory or above it")
		}
	}
}
