// Package corpus finds the documents that tests read from outside the project:
// libvirt's own test domains, domains written by Nova, Nova's templates.
package corpus

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The folders of the corpus.
const (
	Libvirt       = "libvirt-9.0.0"
	Nova          = "nova-26.2.2"
	NovaTemplates = "nova-templates"
)

// Dir returns a folder of the corpus: below $DOMAIN_CORPUS, or below
// shared/data beside the checkout. Where neither is there the test is skipped
// with that reason; in CI it fails.
func Dir(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range places(name) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
	}
	say := t.Skipf
	if os.Getenv("CI") != "" {
		say = t.Fatalf
	}
	say("no corpus %s at %s; set DOMAIN_CORPUS to the folder that holds it", name, strings.Join(places(name), " or "))
	return ""
}

// Sample returns every nth document of a folder of the corpus, none where it is
// not there: seeds for a fuzz target.
func Sample(name, suffix string, n int) ([][]byte, error) {
	var docs [][]byte
	for _, dir := range places(name) {
		files, err := find(dir, suffix)
		if err != nil {
			continue // not there
		}
		for i := 0; i < len(files); i += n {
			doc, err := os.ReadFile(files[i])
			if err != nil {
				return nil, err
			}
			docs = append(docs, doc)
		}
	}
	return docs, nil
}

// Files returns the files of a folder of the corpus that end in suffix.
func Files(t testing.TB, name, suffix string) []string {
	t.Helper()
	files, err := find(Dir(t, name), suffix)
	if err != nil || len(files) == 0 {
		t.Fatalf("reading the corpus %s: %d files, %v", name, len(files), err)
	}
	return files
}

func find(dir, suffix string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, suffix) {
			files = append(files, path)
		}
		return err
	})
	return files, err
}

// places are where a folder of the corpus is looked for.
func places(name string) []string {
	if env := os.Getenv("DOMAIN_CORPUS"); env != "" {
		return []string{filepath.Join(env, name)}
	}
	return []string{filepath.Join(checkout(), "..", "shared", "data", name)}
}

// checkout is the root of the project's sources.
func checkout() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}
